"""Golden values and gradients of losses, from TRL's own loss code driven with stub models.

    python make.py            writes policy.json, preference.json, unpaired.json, reward.json beside itself

Made with trl 1.16, torch 2.13 (asserted below). The stubs hand TRL per-token log-probabilities that are leaves of the graph; what
it computes from them, and the gradients it sends back, are the golden values. Padded [B, T] tensors are written packed: the
tokens of the sequences end to end, with the sequence index of each.
"""
import json
import pathlib
import types
from collections import defaultdict

import torch
import trl
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.reward_trainer import RewardTrainer

assert trl.__version__.startswith("1.16"), trl.__version__
assert torch.__version__.startswith("2.13"), torch.__version__
HERE = pathlib.Path(__file__).parent
torch.manual_seed(20260203)
torch.set_num_threads(1)


class Accelerator:
    device = torch.device("cpu")
    num_processes = 1
    sync_gradients = True

    @staticmethod
    def gather(x):
        return x

    gather_for_metrics = gather

    @staticmethod
    def reduce(x, reduction="sum"):
        return x


class Stub(types.SimpleNamespace):
    """Anything TRL asks for and this script did not set is an error, not a silent default."""


def base(**kw):
    s = Stub(accelerator=Accelerator(), model=Stub(training=False), _metrics={"train": defaultdict(list), "eval": defaultdict(list)},
             aux_loss_enabled=False, _tp_size=1, _total_train_tokens=0)
    s.__dict__.update(kw)
    return s


def pack(x, mask):
    return [float(v) for v in x[mask.bool()].reshape(-1)]


def flat(x):
    return [float(v) for v in x.reshape(-1)]


def write(name, value):
    value["made_with"] = {"trl": trl.__version__, "torch": torch.__version__}
    (HERE / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


# ---- policy losses -----------------------------------------------------------------------------
def policy():
    lengths = torch.tensor([5, 3, 7, 1])
    B, T = len(lengths), int(lengths.max())
    mask = (torch.arange(T)[None] < lengths[:, None]).long()
    logp = -torch.rand(B, T) * 3 - 0.05
    old = (logp + 0.35 * torch.randn(B, T)).clamp(max=-0.01)
    ref = (logp + 0.5 * torch.randn(B, T)).clamp(max=-0.01)
    sampler = (old + 0.6 * torch.randn(B, T)).clamp(max=-0.01)
    entropy = torch.rand(B, T) * 2
    advantage = torch.tensor([1.2, -0.7, -1.5, 0.4])
    data = {k: pack(v, mask) for k, v in dict(logprob=logp, old_logprob=old, reference_logprob=ref, sampler_logprob=sampler, entropy=entropy).items()}
    data["sequence"] = [i for i, n in enumerate(lengths) for _ in range(n)]
    data["advantage"] = flat(advantage)

    cases = []

    def run(name, loss, clip_low=0.2, clip_high=0.2, beta=0.0, delta=None, level="token", vllm=False, fresh=False, entropy_coefficient=0.0,
            options=None):
        leaf = logp.clone().requires_grad_()
        entropies = entropy.clone().requires_grad_()
        ratio = torch.clamp(torch.exp((old - sampler) * mask), max=2.0)  # GRPOTrainer's "token_truncate", C = 2
        s = base(args=Stub(use_bias_correction_kl=False, delta=delta), top_entropy_quantile=1.0, off_policy_mask_threshold=None,
                 importance_sampling_level=level, beta=beta, loss_type=loss, epsilon_low=clip_low, epsilon_high=clip_high, use_vllm=vllm,
                 vllm_importance_sampling_correction=vllm, max_completion_length=10, _entropy_bonus_enabled=entropy_coefficient != 0,
                 use_adaptive_entropy=False, entropy_coef=entropy_coefficient,
                 _get_per_token_logps_and_entropies=lambda *a, **k: (leaf, entropies, None))
        inputs = dict(prompt_ids=torch.zeros(B, 1), prompt_mask=torch.ones(B, 1), completion_ids=torch.zeros(B, T), completion_mask=mask,
                      advantages=advantage, ref_per_token_logps=ref, importance_sampling_ratio=ratio, num_items_in_batch=mask.sum())
        if not fresh:
            inputs["old_per_token_logps"] = old
        value = GRPOTrainer._compute_loss(s, s.model, inputs)
        value.backward()
        m = {k: float(v[-1]) for k, v in s._metrics["eval"].items()}
        cases.append(dict(name=name, options=options or {}, fresh=fresh, sampler=vllm, loss=float(value), gradient=pack(leaf.grad, mask),
                          entropy_gradient=pack(entropies.grad, mask) if entropies.grad is not None else [], metrics=m))

    for loss in ["grpo", "bnpo", "dr_grpo", "dapo"]:
        high = 0.28 if loss == "dapo" else 0.2
        extra = {"constant_tokens": 10} if loss == "dr_grpo" else {}
        run(loss, loss, clip_high=high, options={"loss": loss, **extra})
        run(loss + ", kl", loss, clip_high=high, beta=0.04, options={"loss": loss, "kl_coefficient": 0.04, **extra})
        run(loss + ", truncated importance", loss, clip_high=high, vllm=True, options={"loss": loss, **extra})
        run(loss + ", fresh policy", loss, clip_high=high, fresh=True, options={"loss": loss, **extra})
    run("grpo, tight clip", "grpo", clip_low=0.05, clip_high=0.1, options={"loss": "grpo", "clip_low": 0.05, "clip_high": 0.1})
    run("grpo, delta", "grpo", delta=1.3, options={"loss": "grpo", "delta": 1.3})
    run("grpo, entropy", "grpo", entropy_coefficient=0.01, options={"loss": "grpo", "entropy_coefficient": 0.01})
    run("dapo, kl and importance and delta", "dapo", clip_high=0.28, beta=0.1, delta=1.5, vllm=True,
        options={"loss": "dapo", "kl_coefficient": 0.1, "delta": 1.5})
    run("gspo", "grpo", clip_low=3e-4, clip_high=4e-4, level="sequence", options={"loss": "gspo"})
    run("gspo, kl", "grpo", clip_low=3e-4, clip_high=4e-4, level="sequence", beta=0.04, options={"loss": "gspo", "kl_coefficient": 0.04})
    run("gspo, wide clip", "grpo", clip_low=0.5, clip_high=0.5, level="sequence", options={"loss": "gspo", "clip_low": 0.5, "clip_high": 0.5})
    run("cispo", "cispo", clip_high=5.0, options={"loss": "cispo"})
    run("cispo, low cap and kl", "cispo", clip_high=1.1, beta=0.04, options={"loss": "cispo", "clip_high": 1.1, "kl_coefficient": 0.04})
    write("policy", dict(data=data, cases=cases))


# ---- preference losses -------------------------------------------------------------------------
def preference():
    chosen_len, rejected_len = torch.tensor([4, 6, 2, 5, 3]), torch.tensor([3, 6, 5, 2, 7])
    lengths = torch.cat([chosen_len, rejected_len])
    n, T = len(lengths), int(lengths.max())
    comp = (torch.arange(T)[None] < lengths[:, None]).long()
    completion_mask = torch.cat([torch.zeros(n, 1, dtype=torch.long), comp], dim=1)  # one prompt token; TRL shifts it away
    logp = (-torch.rand(n, T) * 2 - 0.02) * comp
    ref = (logp + 0.8 * torch.randn(n, T)).clamp(max=-0.01) * comp
    data = dict(policy=pack(logp, comp), reference=pack(ref, comp), sequence=[i for i, k in enumerate(lengths) for _ in range(k)],
                pairs=len(chosen_len))
    cases = []

    def outputs(lp):
        z = torch.zeros(n, T)
        return Stub(log_probs=lp, entropy=z, mean_logits=z, is_top1=z.bool(), log_sum_sq_probs=z)

    def run(name, losses, weights=None, beta=0.1, smoothing=0.0, divergence="reverse_kl", alpha=0.5, tau=0.05, ld=None, options=None):
        leaf = logp.clone().requires_grad_()
        s = base(args=Stub(discopop_tau=tau, gradient_checkpointing_kwargs=None), ld_alpha=ld, precompute_ref_logps=False, f_divergence_type=divergence,
                 f_alpha_divergence_coef=alpha, loss_types=losses, loss_weights=weights or [1.0] * len(losses), beta=beta,
                 label_smoothing=smoothing, use_weighting=False)
        s.ref_model = lambda **k: outputs(ref)
        s.model = torch.nn.Module()  # disable_gradient_checkpointing looks at it
        s.model.eval()
        s.model.is_gradient_checkpointing = False
        inputs = dict(input_ids=torch.zeros_like(completion_mask), attention_mask=torch.ones_like(completion_mask), completion_mask=completion_mask)
        value = DPOTrainer._compute_loss(s, lambda **k: outputs(leaf), inputs, False)
        value.backward()
        m = {k: float(v[-1]) for k, v in s._metrics["eval"].items()}
        cases.append(dict(name=name, options=options, ld_alpha=ld, loss=float(value), gradient=pack(leaf.grad, comp), metrics=m))

    for loss in ["sigmoid", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "discopop", "sigmoid_norm"]:
        for beta in [0.1, 0.7]:
            run(f"{loss}, beta {beta}", [loss], beta=beta, options=dict(loss=loss, beta=beta))
    for eps in [1e-3, 0.1]:
        run(f"exo_pair, eps {eps}", ["exo_pair"], beta=0.3, smoothing=eps, options=dict(loss="exo_pair", beta=0.3, label_smoothing=eps))
    for eps in [0.0, 0.2]:
        run(f"robust, eps {eps}", ["robust"], beta=0.3, smoothing=eps, options=dict(loss="robust", beta=0.3, label_smoothing=eps))
    run("discopop, tau 1", ["discopop"], beta=0.5, tau=1.0, options=dict(loss="discopop", beta=0.5, discopop_tau=1.0))
    run("sft", ["sft"], options=dict(loss="sft", sft_token_mean=True))
    run("sigmoid + sft", ["sigmoid", "sft"], weights=[1.0, 0.3], options=dict(loss="sigmoid", beta=0.1, sft_coefficient=0.3, sft_token_mean=True))
    run("length-desensitised sigmoid", ["sigmoid"], ld=0.4, beta=0.2, options=dict(loss="sigmoid", beta=0.2))
    for div in ["forward_kl", "js_divergence", "alpha_divergence"]:
        for loss in ["sigmoid", "ipo", "hinge"]:
            run(f"{loss}, {div}", [loss], beta=0.3, divergence=div, alpha=0.6, options=dict(loss=loss, beta=0.3, divergence=div, **({"divergence_alpha": 0.6} if div == "alpha_divergence" else {})))

    sums = (logp * comp).sum(1)

    def run_free(name, f, options, average):
        leaf = logp.clone().requires_grad_()
        total = (leaf * comp).sum(1)
        value = f(*(total / lengths if average else total).chunk(2))
        if options.get("sft_coefficient"):  # CPOTrainer.concatenated_forward: cross-entropy over the chosen labels
            k = len(chosen_len)
            value = value + options["sft_coefficient"] * -(leaf[:k] * comp[:k]).sum() / comp[:k].sum()
        value.backward()
        cases.append(dict(name=name, options=options, ld_alpha=None, loss=float(value), gradient=pack(leaf.grad, comp), metrics={}))

    def cpo(loss, beta, smoothing=0.0, gamma=0.5):
        s = base(alpha=0.0, loss_type=loss, beta=beta, label_smoothing=smoothing, simpo_gamma=gamma)
        return lambda c, r: CPOTrainer.cpo_loss(s, c, r)[0].mean()

    run_free("simpo", cpo("simpo", 2.0, gamma=0.5), dict(loss="simpo", beta=2.0, simpo_gamma=0.5), True)
    run_free("simpo, smoothing", cpo("simpo", 2.5, 0.1, 1.5), dict(loss="simpo", beta=2.5, simpo_gamma=1.5, label_smoothing=0.1), True)
    run_free("cpo", cpo("sigmoid", 0.1), dict(loss="cpo", beta=0.1, sft_coefficient=1.0, sft_token_mean=True), False)
    run_free("cpo, smoothing, no nll", cpo("sigmoid", 0.2, 0.1), dict(loss="cpo", beta=0.2, label_smoothing=0.1, sft_coefficient=0.0), False)
    run_free("orpo", lambda c, r: -ORPOTrainer.odds_ratio_loss(base(beta=0.1), c, r)[0].mean(),
             dict(loss="orpo", beta=0.1, sft_coefficient=1.0, sft_token_mean=True), True)
    write("preference", dict(data=data, cases=cases))


# ---- unpaired ----------------------------------------------------------------------------------
def unpaired():
    n = 6
    label = torch.tensor([True, False, True, True, False, False])
    logp, ref = -torch.rand(n, 4) * 3, -torch.rand(n, 4) * 3
    kl_p, kl_r = -torch.rand(n) * 3, -torch.rand(n) * 3 - 0.8
    data = dict(policy=flat(logp.sum(1)), reference=flat(ref.sum(1)), desirable=[bool(x) for x in label], policy_mismatched=flat(kl_p),
                reference_mismatched=flat(kl_r))
    cases = []
    for loss in ["kto", "apo_zero_unpaired"]:
        for d, u in [(1.0, 1.0), (1.3, 0.6)]:
            leaf = logp.clone().requires_grad_()
            z = torch.zeros(n, 4)
            s = base(calculate_KL=loss == "kto", precompute_ref_logps=False, beta=0.3, loss_type=loss, desirable_weight=d, undesirable_weight=u,
                     args=Stub(gradient_checkpointing_kwargs=None))

            def outputs(lp):
                return Stub(log_probs=lp, entropy=z, mean_logits=z)

            s.model = torch.nn.Module()
            s.model.eval()
            s.model.is_gradient_checkpointing = False
            s.ref_model = lambda **k: outputs(ref)
            s._compute_kl_logps = lambda m, b: kl_r if m is s.ref_model else kl_p
            ids = torch.zeros(n, 5, dtype=torch.long)
            value = KTOTrainer._compute_loss(s, lambda **k: outputs(leaf), dict(input_ids=ids, attention_mask=torch.ones_like(ids),
                                             completion_mask=torch.ones_like(ids), label=label), False)
            value.backward()
            cases.append(dict(name=f"{loss}, weights {d} {u}", options=dict(loss=loss, beta=0.3, desirable_weight=d, undesirable_weight=u),
                              loss=float(value), gradient=flat(leaf.grad[:, 0]), metrics={k: float(v[-1]) for k, v in s._metrics["eval"].items()}))
    write("unpaired", dict(data=data, cases=cases))


# ---- reward model ------------------------------------------------------------------------------
def reward():
    k = 6
    scores, margin = torch.randn(2 * k, 1) * 2, torch.rand(k)
    cases = []
    for name, m, centre in [("plain", None, None), ("margin", margin, None), ("centring", None, 0.01), ("both", margin, 0.1)]:
        leaf = scores.clone().requires_grad_()
        s = base(args=Stub(center_rewards_coefficient=centre))
        inputs = dict(attention_mask=torch.ones(2 * k, 2))
        if m is not None:
            inputs["margin"] = m
        value = RewardTrainer.compute_loss(s, lambda **kw: Stub(logits=leaf), inputs)
        value.backward()
        cases.append(dict(name=name, margin=m is not None, centring=centre or 0.0, loss=float(value), gradient=flat(leaf.grad),
                          metrics={n: float(v[-1]) for n, v in s._metrics["eval"].items()}))
    write("reward", dict(data=dict(scores=flat(scores), margin=flat(margin)), cases=cases))


policy()
preference()
unpaired()
reward()
