#include "dist/ranks.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"

namespace foil::dist {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int64_t kBucket = 1 << 24;  // elements summed in one collective

double unix_seconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::vector<uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

struct Ranks::Group {
  Place place;
  milliseconds timeout, silence;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
  uint64_t sequence = 0, patient = 0;
  std::thread pulse;  // says that this rank is alive
  std::mutex mutex;
  std::condition_variable stopped;
  bool stop = false;
  std::string silent;  // which rank gave no sign of life

  ~Group() {
    {
      std::lock_guard guard(mutex);
      stop = true;
    }
    stopped.notify_all();
    if (pulse.joinable()) pulse.join();
  }

  void start_pulse() {
    pulse = std::thread([this] {
      std::unique_lock guard(mutex);
      int64_t beat = 0;
      do {
        try {
          store->set(fmt::format("alive/{}", place.rank), bytes(std::to_string(++beat)));
        } catch (const std::exception&) {
          return;  // the store is gone: whoever waits next says so
        }
      } while (!stopped.wait_for(guard, std::chrono::seconds(2), [this] { return stop; }));
    });
  }

  // Leaves a note where this rank is, runs the collective, and turns its failure into who waited for whom.
  template <class F>
  void run(const std::string& what, const F& collective) {
    ++sequence;
    try {
      note(what);
      collective();
    } catch (const Interrupted&) {
      throw;
    } catch (const c10::Error& e) {
      fail(what, e.what_without_backtrace());
    } catch (const std::exception& e) {
      fail(what, e.what());
    }
  }

  void note(const std::string& what) { store->set(fmt::format("at/{}", place.rank), bytes(fmt::format("{} {:.3f} {}", sequence, unix_seconds(), what))); }

  [[noreturn]] void fail(const std::string& what, const std::string& reason) {
    std::string missing;
    try {
      for (int r = 0; r < place.size; ++r) {
        if (r == place.rank) continue;
        const std::string key = fmt::format("at/{}", r);
        if (!store->check({key})) {
          missing += fmt::format("; rank {} never came", r);
          continue;
        }
        const auto raw = store->get(key);
        const std::string text(raw.begin(), raw.end());
        char* rest = nullptr;
        const uint64_t theirs = std::strtoull(text.c_str(), &rest, 10);
        const double at = std::strtod(rest, &rest);
        if (theirs < sequence) missing += fmt::format("; rank {} was last seen {:.0f} s ago at \"{}\"", r, unix_seconds() - at, *rest ? rest + 1 : rest);
      }
    } catch (const std::exception&) {
      missing = fmt::format("; the store at {}:{}, which rank 0 or the launcher serves, does not answer", place.address, place.port);
    }
    if (missing.empty()) missing = "; all ranks had come there: the connection broke (" + shortened(reason, 200) + ")";
    if (!silent.empty()) missing = "; " + silent + missing;
    throw Error(fmt::format("rank {} of {} waited in vain at \"{}\"{}", place.rank, place.size, what, missing),
                "", "look at the messages of the ranks named; all must run the same command on the same data. The run goes on from its last checkpoint");
  }
};

Ranks::Ranks(const Place& place, const RankOptions& options) : group_(new Group{place, milliseconds(int64_t(options.timeout_s * 1000)), milliseconds(int64_t(options.silence_s * 1000)), {}, {}}) {
  Group& g = *group_;
  c10d::TCPStoreOptions store_options;
  store_options.port = uint16_t(place.port);
  store_options.isServer = place.rank == 0 && !place.store_exists;
  store_options.waitWorkers = false;
  store_options.timeout = g.timeout;
  const std::string where = fmt::format("{}:{}", place.address, place.port);
  try {
    auto tcp = c10::make_intrusive<c10d::TCPStore>(place.address, store_options);
    g.store = c10::make_intrusive<c10d::PrefixStore>(fmt::format("foil/{}", place.restart), tcp);
    g.store->setTimeout(g.timeout);
  } catch (const std::exception& e) {
    const std::string text = e.what();
    throw Error(fmt::format("rank {} of {} cannot reach the meeting point{}", place.rank, place.size, store_options.isServer ? " it should serve: " + text.substr(0, text.find('\n')) : ", which rank 0 serves"), where,
                store_options.isServer ? "another program may use the port: set MASTER_PORT" : "check that rank 0 runs and that MASTER_ADDR and MASTER_PORT are the same everywhere");
  }
  g.run("the start", [&] {
    auto gloo_options = c10d::ProcessGroupGloo::Options::create(g.timeout);
    gloo_options->devices.push_back(place.address == "127.0.0.1" || place.address == "localhost" ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                                                                                  : c10d::ProcessGroupGloo::createDefaultDevice());
    g.gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(g.store, place.rank, place.size, gloo_options);
  });
  g.start_pulse();
}

Ranks::~Ranks() = default;
int Ranks::rank() const { return group_->place.rank; }
int Ranks::size() const { return group_->place.size; }

void Ranks::sum(std::vector<at::Tensor>& tensors, const std::string& what) {
  at::NoGradGuard guard;
  for (size_t begin = 0, end; begin < tensors.size(); begin = end) {  // runs of one type, up to a bucket each
    int64_t n = 0;
    for (end = begin; end < tensors.size() && tensors[end].scalar_type() == tensors[begin].scalar_type() && (end == begin || n + tensors[end].numel() <= kBucket); ++end) n += tensors[end].numel();
    std::vector<at::Tensor> flat;
    for (size_t i = begin; i < end; ++i) flat.push_back(tensors[i].reshape({-1}));
    std::vector<at::Tensor> bucket{at::cat(flat).cpu()};
    group_->run(what, [&] { group_->gloo->allreduce(bucket)->wait(group_->timeout); });
    for (size_t i = begin, at = 0; i < end; ++i) {
      const int64_t size = tensors[i].numel();
      tensors[i].copy_(bucket[0].slice(0, int64_t(at), int64_t(at) + size).reshape(tensors[i].sizes()));
      at += size_t(size);
    }
  }
}

void Ranks::broadcast(std::vector<at::Tensor>& tensors, int from, const std::string& what) {
  at::NoGradGuard guard;
  c10d::BroadcastOptions options;
  options.rootRank = from;
  for (at::Tensor& t : tensors) {
    std::vector<at::Tensor> one{t.is_cpu() && t.is_contiguous() ? t.detach() : t.detach().cpu().contiguous()};
    group_->run(what, [&] { group_->gloo->broadcast(one, options)->wait(group_->timeout); });
    if (rank() != from && !one[0].is_alias_of(t)) t.detach().copy_(one[0]);
  }
}

void Ranks::to_first(at::Tensor& tensor, int from, const std::string& what) {
  if (from == 0 || (rank() != 0 && rank() != from)) return;
  at::NoGradGuard guard;
  std::vector<at::Tensor> one{rank() == 0 ? at::empty(tensor.sizes(), tensor.options().device(at::kCPU)) : tensor.detach().cpu().contiguous()};
  if (rank() == 0) {
    group_->run(what, [&] { group_->gloo->recv(one, from, 0)->wait(group_->timeout); });
    tensor = one[0];
  } else {
    group_->run(what, [&] { group_->gloo->send(one, 0, 0)->wait(group_->timeout); });
  }
}

double Ranks::sum(double value, const std::string& what) {
  std::vector<at::Tensor> one{at::full({1}, value, at::kDouble)};
  sum(one, what);
  return one[0].item<double>();
}

bool Ranks::any(bool value, const std::string& what) { return sum(value ? 1.0 : 0.0, what) > 0; }

std::vector<std::string> Ranks::gather(const std::string& mine, const std::string& what) {
  const auto all = [&](const at::Tensor& input) {
    std::vector<std::vector<at::Tensor>> outputs(1);
    for (int r = 0; r < size(); ++r) outputs[0].push_back(at::empty_like(input));
    std::vector<at::Tensor> inputs{input};
    group_->run(what, [&] { group_->gloo->allgather(outputs, inputs)->wait(group_->timeout); });
    return outputs[0];
  };
  const auto lengths = all(at::full({1}, int64_t(mine.size()), at::kLong));
  int64_t longest = 1;
  for (const auto& n : lengths) longest = std::max(longest, n.item<int64_t>());
  at::Tensor text = at::zeros({longest}, at::kByte);
  std::memcpy(text.mutable_data_ptr(), mine.data(), mine.size());
  const auto texts = all(text);
  std::vector<std::string> out;
  for (size_t r = 0; r < texts.size(); ++r) out.emplace_back(static_cast<const char*>(texts[r].const_data_ptr()), size_t(lengths[r].item<int64_t>()));
  return out;
}

void Ranks::meet(const std::string& what) { sum(0.0, what); }

void Ranks::meet_patiently(const std::string& what) {
  Group& g = *group_;
  const std::string here = fmt::format("patient/{}", ++g.patient);
  std::map<int, std::pair<std::string, Clock::time_point>> seen;
  g.run(what, [&] {
    g.store->add(here, 1);
    while (g.store->add(here, 0) < g.place.size) {
      throw_if_interrupted();
      for (int r = 0; r < g.place.size; ++r) {
        const std::string key = fmt::format("alive/{}", r);
        const auto raw = g.store->check({key}) ? g.store->get(key) : std::vector<uint8_t>{};
        const std::string beat(raw.begin(), raw.end());
        auto [it, first] = seen.try_emplace(r, beat, Clock::now());
        if (it->second.first != beat) it->second = {beat, Clock::now()};
        if (Clock::now() - it->second.second > g.silence) g.silent = fmt::format("rank {} has fallen silent", r), throw std::runtime_error(g.silent);
      }
      std::this_thread::sleep_for(milliseconds(100));
    }
  });
  meet(what);
}

}  // namespace foil::dist
