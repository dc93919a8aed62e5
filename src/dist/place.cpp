#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "dist/ranks.h"

namespace foil::dist {

namespace {

int number(const std::string& name, const std::string& text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < 0) throw UsageError(fmt::format("{}: expected a number from 0, found \"{}\"", name, text), "environment");
  return out;
}

// "gpu[03-05,9],login" → "gpu03"
std::string first_node(const std::string& list) {
  const size_t bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  const size_t end = list.find_first_of(",-]", bracket);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1);
}

}  // namespace

Place place_from(const std::function<std::string(const char*)>& env) {
  struct Launcher {
    const char *name, *rank, *size, *local;
  };
  static constexpr Launcher launchers[] = {{"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"},
                                           {"slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"},
                                           {"mpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
                                           {"mpi", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"}};
  Place out;
  for (const Launcher& l : launchers) {
    const std::string rank = env(l.rank), size = env(l.size);
    if (rank.empty() && size.empty()) continue;
    if (std::string(l.name) == "slurm" && rank.empty()) continue;  // a batch script outside srun
    if (rank.empty() || size.empty())
      throw UsageError(fmt::format("{} is set and {} is not", rank.empty() ? l.size : l.rank, rank.empty() ? l.rank : l.size), "environment", "start through torchrun, srun or mpirun, which set both");
    out.rank = number(l.rank, rank), out.size = number(l.size, size), out.launcher = l.name;
    if (const std::string local = env(l.local); !local.empty()) out.local_rank = number(l.local, local);
    break;
  }
  if (out.size < 1 || out.rank >= out.size) throw UsageError(fmt::format("rank {} of {} processes", out.rank, out.size), "environment");
  if (out.launcher == "slurm") {
    const std::string nodes = env("SLURM_STEP_NODELIST").empty() ? env("SLURM_JOB_NODELIST") : env("SLURM_STEP_NODELIST");
    if (!nodes.empty()) out.address = first_node(nodes);
    if (const std::string job = env("SLURM_JOB_ID"); !job.empty()) out.port = 29500 + number("SLURM_JOB_ID", job) % 1000;
  }
  if (const std::string address = env("MASTER_ADDR"); !address.empty()) out.address = address;
  if (const std::string port = env("MASTER_PORT"); !port.empty()) out.port = number("MASTER_PORT", port);
  if (out.size > 1 && out.launcher == "torchrun" && env("MASTER_ADDR").empty()) throw UsageError("WORLD_SIZE is set and MASTER_ADDR is not", "environment", "start through torchrun, which sets both");
  if (const std::string restart = env("TORCHELASTIC_RESTART_COUNT"); !restart.empty()) out.restart = number("TORCHELASTIC_RESTART_COUNT", restart);
  const std::string agent = env("TORCHELASTIC_USE_AGENT_STORE");
  out.store_exists = agent == "True" || agent == "true" || agent == "1";
  return out;
}

Place place_from_environment() {
  return place_from([](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  });
}

}  // namespace foil::dist
