#include "train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "train/tensor_file.h"

namespace foil::train {
namespace {
namespace fs = std::filesystem;

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("foil_checkpoint_test_{}", getpid());
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
};

TrainingState state(int64_t step) {
  TrainingState s;
  s.step = step;
  s.weights = {{"a", at::full({3, 2}, double(step))}, {"b", at::arange(5).to(at::kBFloat16)}, {"empty", at::empty({0, 4})}, {"none", at::empty({0})}};
  s.optimizer = {{"exp_avg/a", at::ones({3, 2}) / 3}};
  s.counters = {{"updates", step * 2}};
  return s;
}

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(LastingOptions, MicroBatchesStayWhereALossCountsThem) {
  using nlohmann::json;
  const json plain = {{"loss", "grpo"}, {"contrastive", {{"coefficient", 0}}}, {"batch", {{"micro_batch_tokens", 100}, {"recompute", true}, {"batch_size", 8}}}, {"checkpoint", {{"keep_last", 2}}}};
  json lasting = plain;
  lasting.erase("checkpoint"), lasting["batch"] = {{"batch_size", 8}};
  EXPECT_EQ(lasting_options(plain), lasting);

  const auto keeps = [&](const char* key, const json& value) {
    json options = plain;
    options[key] = value;
    return lasting_options(options)["batch"] == plain["batch"];
  };
  EXPECT_TRUE(keeps("loss", "bnpo"));
  EXPECT_TRUE(keeps("aggregation", "micro_batch_token_mean"));
  EXPECT_TRUE(keeps("contrastive", {{"coefficient", 0.1}}));  // of pairs
  EXPECT_TRUE(keeps("contrastive", 0.1));                     // of reward models
  EXPECT_FALSE(keeps("contrastive", 0));
  EXPECT_FALSE(keeps("loss", "dapo"));
}

TEST(Checkpoints, NewestComesBackWholeAndOldOnesGo) {
  Folder dir;
  CheckpointStore store(dir.path, {.keep_last = 2}, {{"seed", 1}});
  EXPECT_FALSE(store.load_latest());
  EXPECT_EQ(store.latest(), "");
  for (const int64_t step : {3, 10, 12}) store.save(state(step));
  EXPECT_FALSE(fs::exists(dir.path / "step-00000003"));
  const auto back = store.load_latest();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->step, 12);
  EXPECT_EQ(back->counters.at("updates"), 24);
  for (const auto& [name, t] : state(12).weights) {
    EXPECT_EQ(back->weights.at(name).scalar_type(), t.scalar_type());
    EXPECT_TRUE(at::equal(back->weights.at(name), t)) << name;
  }
  EXPECT_TRUE(at::equal(back->optimizer.at("exp_avg/a"), state(12).optimizer.at("exp_avg/a")));
}

TEST(Checkpoints, AnInterruptedWriteIsNotSeen) {
  Folder dir;
  {
    CheckpointStore store(dir.path, {}, {});
    store.save(state(1));
  }
  fs::create_directories(dir.path / "step-00000002.part");
  write_file(dir.path / "step-00000002.part" / "model.safetensors", "half");
  CheckpointStore store(dir.path, {}, {});
  EXPECT_FALSE(fs::exists(dir.path / "step-00000002.part"));
  EXPECT_EQ(store.load_latest()->step, 1);
}

TEST(Checkpoints, DamageIsFoundAndTheOneBeforeIsUsed) {
  Folder dir;
  CheckpointStore store(dir.path, {}, {});
  store.save(state(1)), store.save(state(2));
  const fs::path file = dir.path / "step-00000002" / "optimizer.safetensors";
  fs::resize_file(file, fs::file_size(file) - 1);
  EXPECT_EQ(store.load_latest()->step, 1);
  fs::remove_all(dir.path / "step-00000001");
  EXPECT_THAT(error_of([&] { store.load_latest(); }), testing::MatchesRegex(".*/step-00000002/optimizer.safetensors: expected [0-9]+ bytes, found [0-9]+"));
}

TEST(Checkpoints, EveryFlippedBitIsFound) {
  Folder dir;
  const fs::path path = dir.path / "t.safetensors";
  const FileSeal seal = save_tensors(path, {{"a", at::arange(11)}});
  const std::string good = read_file(path);
  EXPECT_TRUE(at::equal(load_tensors(path, seal).at("a"), at::arange(11)));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= char(1 << (i % 8));
    write_file(path, bad);
    EXPECT_NE(error_of([&] { load_tensors(path, seal); }), "no error") << i;
  }
}

TEST(Checkpoints, ChecksumDoesNotDependOnHowBytesArrive) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += char(i * 7);
  Checksum whole, pieces;
  whole.add(bytes.data(), bytes.size());
  for (size_t at = 0, n = 1; at < bytes.size(); at += n, n = n % 13 + 1) pieces.add(bytes.data() + at, std::min(n, bytes.size() - at));
  EXPECT_EQ(whole.finish(), pieces.finish());
}

TEST(Checkpoints, AnotherRunIsRefusedByName) {
  Folder dir;
  CheckpointStore(dir.path, {}, {{"seed", 1}, {"lr", 0.1}}).save(state(1));
  EXPECT_THAT(error_of([&] { CheckpointStore(dir.path, {}, {{"seed", 1}, {"lr", 0.2}}).load_latest(); }),
              testing::EndsWith("this run folder was started with lr = 0.1, now it is 0.2"));
}

TEST(Checkpoints, DueBySteps) {
  Folder dir;
  CheckpointStore store(dir.path, {.every_steps = 3, .every_minutes = 0}, {});
  std::vector<int64_t> saved;
  for (int64_t step = 1; step <= 7; ++step)
    if (store.due(step)) store.save(state(step)), saved.push_back(step);
  EXPECT_THAT(saved, testing::ElementsAre(3, 6));
}

}  // namespace
}  // namespace foil::train
