// Two processes that share each step's work end with the weights of one process, up to the order of summation.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "dist/ranks.h"
#include "rollout/engine.h"
#include "text/word_tokenizer.h"
#include "train/onpolicy_loop.h"
#include "train/preference.h"
#include "train/sft.h"
#include "train/tensor_file.h"
#include "train/test_support.h"

namespace foil::train {
namespace {
using namespace testing_support;
namespace fs = std::filesystem;

FileLoopOptions loop() {
  FileLoopOptions o;
  o.optimizer.lr = 1e-3, o.optimizer.eps = 1e-5;  // Adam magnifies the rounding of gradients below eps
  o.batch.batch_size = 6, o.batch.epochs = 2, o.batch.micro_batch_tokens = 40;
  o.checkpoint.every_minutes = 0, o.checkpoint.every_steps = 2;
  return o;
}

std::map<std::string, double> run(const std::string& kind, const fs::path& folder, dist::Ranks* ranks, nn::Transformer& out) {
  StageContext c;
  c.stage = kind, c.folder = folder, c.seed = 2, c.ranks = ranks;
  RunLog log(folder / "metrics.jsonl", kind);
  c.log = &log;
  if (kind == "sft") {
    out = tiny_model();
    auto o = loop();
    o.validation_share = 0.2;
    return train_sft(out, examples(20), {o}, c).last;
  }
  if (kind == "dpo") {
    out = tiny_model();
    PreferenceTrainOptions o;
    o.loop = loop();
    return train_preference(out, pairs(20), o, c).last;
  }
  const auto words = std::make_shared<const text::Tokenizer>(text::word_tokenizer({"a b c d e f g h i j k l m n o p q r s t"}, {}));
  auto config = tiny_config();
  config.vocab_size = words->vocab_size(), config.eos_token_ids = {*words->eos()};
  const auto policy = std::make_shared<nn::Transformer>(nn::Transformer::random(config, 5));
  rollout::LocalEngine engine(policy, words, {});
  std::vector<PolicyProblem> problems;
  for (int i = 0; i < 9; ++i) {
    PolicyProblem p;
    p.problem.id = p.prompt.problem_id = fmt::format("q{}", i), p.prompt.text = std::string(1, char('a' + i)) + " b c";
    p.prompt_tokens = words->encode(p.prompt.text);
    problems.push_back(std::move(p));
  }
  OnPolicyOptions o;
  o.steps = 3, o.problems_per_step = 5, o.group_size = 4, o.max_completion_tokens = 6, o.minibatches = 2, o.dynamic_sampling = true, o.max_sampling_rounds = 2;
  o.optimizer.lr = 1e-3, o.optimizer.eps = 1e-5, o.micro_batch_tokens = 60, o.checkpoint.every_minutes = 0;
  const auto result = train_on_policy(*policy, problems, {&engine, {}}, [](auto, auto samples) {
    for (auto& s : samples) s.reward = double(s.token_ids[0] % 3);
  }, o, c);
  out = *policy;
  return result.last;
}

TEST(DataParallelChild, OneRank) {
  if (!std::getenv("FOIL_TEST_KIND")) GTEST_SKIP() << "runs inside the processes that the parent test starts";
  const std::string kind = std::getenv("FOIL_TEST_KIND");
  const fs::path folder = std::getenv("FOIL_TEST_FOLDER");
  dist::Ranks ranks(dist::place_from_environment(), {.timeout_s = 120});
  nn::Transformer model = tiny_model();
  const auto figures = run(kind, folder, &ranks, model);
  save_tensors(folder / fmt::format("rank{}.safetensors", ranks.rank()), model.parameters());
  write_file(folder / fmt::format("rank{}.json", ranks.rank()), nlohmann::json(figures).dump());
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET, a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a);
  socklen_t n = sizeof a;
  getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n);
  close(fd);
  return ntohs(a.sin_port);
}

void run_two(const std::string& kind, const fs::path& folder) {
  fs::create_directories(folder);
  const std::string port = std::to_string(free_port());
  std::vector<pid_t> children;
  for (int rank = 0; rank < 2; ++rank) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("RANK", std::to_string(rank).c_str(), 1), setenv("WORLD_SIZE", "2", 1);
      setenv("MASTER_ADDR", "127.0.0.1", 1), setenv("MASTER_PORT", port.c_str(), 1);
      setenv("FOIL_TEST_KIND", kind.c_str(), 1), setenv("FOIL_TEST_FOLDER", folder.c_str(), 1);
      execl("/proc/self/exe", "train_test", "--gtest_filter=DataParallelChild.OneRank", "--gtest_brief=1", nullptr);
      _exit(127);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

FileSeal seal_of(const fs::path& file) {
  Checksum sum;
  const std::string all = read_file(file);
  sum.add(all.data(), all.size());
  return {all.size(), sum.finish()};
}

class DataParallel : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, DataParallel, testing::Values("sft", "dpo", "rl"));

TEST_P(DataParallel, TwoProcessesEqualOne) {
  Scratch one(fmt::format("one_{}", GetParam())), two(fmt::format("two_{}", GetParam()));
  nn::Transformer model = tiny_model();
  const auto expected = run(GetParam(), one.path, nullptr, model);
  run_two(GetParam(), two.path);
  const auto a = load_tensors(two.path / "rank0.safetensors", seal_of(two.path / "rank0.safetensors"));
  const auto b = load_tensors(two.path / "rank1.safetensors", seal_of(two.path / "rank1.safetensors"));
  for (const auto& [name, mine] : model.parameters()) {
    EXPECT_TRUE(at::equal(a.at(name), b.at(name))) << name;
    EXPECT_LT((a.at(name) - mine.detach()).abs().max().item<float>(), 2e-6) << name;
  }
  // The checkpoint of two processes holds the whole optimiser, each one's share in its place.
  const auto newest = [](const fs::path& folder) {
    fs::path out;
    for (const auto& entry : fs::directory_iterator(folder / "checkpoints")) out = std::max(out, entry.path());
    return load_tensors(out / "optimizer.safetensors", seal_of(out / "optimizer.safetensors"));
  };
  const auto whole = newest(one.path), gathered = newest(two.path);
  EXPECT_EQ(whole.size(), gathered.size());
  for (const auto& [name, tensor] : whole) {
    ASSERT_TRUE(gathered.contains(name)) << name;
    EXPECT_LT((gathered.at(name) - tensor).abs().max().item<float>(), 1e-5) << name;
  }
  const auto figures = nlohmann::json::parse(read_file(two.path / "rank1.json")).get<std::map<std::string, double>>();
  for (const auto& [name, value] : expected)
    if (name.find("_per_s") == std::string::npos && !name.ends_with("_s") && name.find("sampler_mismatch") == std::string::npos) {
      EXPECT_NEAR(figures.at(name), value, 1e-4 * std::max(1.0, std::abs(value))) << name;
    }
  EXPECT_TRUE(fs::exists(two.path / "metrics.jsonl"));
}

}  // namespace
}  // namespace foil::train
