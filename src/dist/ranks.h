// Several processes that train one model: who they are (from the launcher's environment) and the sums they share.
//
// Rendezvous through c10d's TCPStore, collectives through its Gloo backend; tensors on other devices travel over the CPU.
// Every process calls the same collectives in the same order. Every wait has a deadline; when it passes, the error says which rank
// waited, where, for whom, and where the missing ones were last seen.
// Sums are made in an order that depends on the number of ranks only, so a run repeats bit for bit. Not thread-safe.
// Not here: NCCL, sharded weights (FSDP). Sharded optimiser state: train/optimizer.h.
#pragma once
#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace foil::dist {

struct Place {
  int rank = 0, size = 1, local_rank = 0;
  std::string address = "127.0.0.1";  // of the store
  int port = 29500;
  int restart = 0;                    // how often the launcher has started all of them anew: what stood in the store before is not theirs
  bool store_exists = false;          // torchrun's agent serves it; otherwise rank 0 does
  std::string launcher;               // "torchrun", "slurm", "mpi", "" (one process)
};

// torchrun: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT. Slurm: SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID, the first node of
// SLURM_STEP_NODELIST. Open MPI, MPICH, Intel MPI: their rank variables, with MASTER_ADDR when there are several hosts.
// One process when nothing is set. Throws UsageError for a half-set or contradictory environment.
Place place_from_environment();
Place place_from(const std::function<std::string(const char*)>& environment);  // "" for what is not set

struct RankOptions {
  double timeout_s = 600, silence_s = 30;
  template <class V>
  void visit(V& v) {
    v("timeout_s", timeout_s, "longest wait of one process for another inside a step");
    v("silence_s", silence_s, "between stages, where a wait may take hours: how long another may give no sign of life");
  }
};

class Ranks {
 public:
  // Waits until all have come. Throws Error after the deadline, naming those that did not.
  Ranks(const Place& place, const RankOptions& options);
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const;
  int size() const;
  bool first() const { return rank() == 0; }

  // `what` names the collective in errors: "gradients of step 12".
  void sum(std::vector<at::Tensor>& tensors, const std::string& what);  // in place; same shapes and types everywhere
  double sum(double value, const std::string& what);
  void broadcast(std::vector<at::Tensor>& tensors, int from, const std::string& what);  // in place
  void to_first(at::Tensor& tensor, int from, const std::string& what);                 // rank 0's becomes that of rank `from`
  bool any(bool value, const std::string& what);
  std::vector<std::string> gather(const std::string& mine, const std::string& what);  // of every rank, in rank order
  void meet(const std::string& what);
  // The same where the others may be hours behind: waits as long as all of them are alive (each says so every few seconds while it works).
  // Throws Error when one has fallen silent for silence_s, Interrupted on Ctrl-C.
  void meet_patiently(const std::string& what);

 private:
  struct Group;
  std::unique_ptr<Group> group_;
};

}  // namespace foil::dist
