#include "data/recorded_generator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"

namespace foil {
namespace {

// Text of (prompt, seed, sample id); fails after `lives` samples. Gives samples to on_sample last first, as an endpoint may.
class Fake : public Generator {
 public:
  std::vector<Sample> generate(const GenerateRequest& r, const std::function<void(const Sample&)>& on_sample) override {
    std::vector<Sample> out;
    for (const auto& p : r.prompts)
      for (int i = 0; i < r.samples_per_prompt; ++i) {
        Sample s;
        s.problem_id = p.problem_id, s.sample_id = r.first_sample_id + i, s.source = r.source;
        s.text = fmt::format("{} {} {}", p.text, r.seed, s.sample_id);
        s.logprobs = {-0.1f, -1e-7f}, s.token_ids = {1, 2};
        out.push_back(s);
      }
    for (size_t i = out.size(); i-- > 0;) {
      if (lives == 0) throw Error("down", "fake");
      --lives, ++asked;
      if (on_sample) on_sample(out[i]);
    }
    return out;
  }
  std::string describe() const override { return "fake"; }
  int lives = 1000, asked = 0;
};

GenerateRequest request(int prompts, int samples, uint64_t seed = 1) {
  GenerateRequest r;
  for (int i = 0; i < prompts; ++i) r.prompts.push_back({fmt::format("p{}", i), fmt::format("text {}", i), {}});
  r.samples_per_prompt = samples, r.seed = seed;
  return r;
}

Json json_of(const std::vector<Sample>& samples) { return samples; }

struct Recorded : testing::Test {
  std::filesystem::path file = std::filesystem::temp_directory_path() / fmt::format("foil-recorded-{}", getpid());
  ~Recorded() override { std::filesystem::remove(file); }
};

TEST_F(Recorded, WhatFinishedIsNotAskedAgain) {
  Fake fake, whole;
  fake.lives = 7;
  EXPECT_THROW(RecordedGenerator(fake, file).generate(request(4, 3)), Error);
  {
    std::FILE* f = std::fopen(file.c_str(), "a");  // killed inside a line
    std::fputs("{\"key\": \"half", f);
    std::fclose(f);
  }
  fake.lives = 1000;
  RecordedGenerator again(fake, file);
  int seen = 0;
  const auto samples = again.generate(request(4, 3), [&](const Sample&) { ++seen; });
  EXPECT_EQ(fake.asked, 12);
  EXPECT_EQ(again.found(), 7u);
  EXPECT_EQ(seen, 12);
  EXPECT_EQ(json_of(samples), json_of(whole.generate(request(4, 3), {})));
  EXPECT_EQ(json_of(RecordedGenerator(fake, file).generate(request(4, 3))), json_of(samples));
  EXPECT_EQ(fake.asked, 12);
}

TEST_F(Recorded, OtherRequestsAreAsked) {
  Fake fake;
  RecordedGenerator(fake, file, "a").generate(request(2, 1));
  RecordedGenerator(fake, file, "b").generate(request(2, 1));
  RecordedGenerator(fake, file, "a").generate(request(2, 1, 9));
  auto hotter = request(2, 1);
  hotter.sampling.temperature = 0.5;
  RecordedGenerator(fake, file, "a").generate(hotter);
  EXPECT_EQ(fake.asked, 8);
  auto more = request(2, 3);
  EXPECT_EQ(RecordedGenerator(fake, file, "a").generate(more)[5].text, "text 1 1 2");
  EXPECT_EQ(fake.asked, 12);  // two more of each
}

TEST_F(Recorded, EqualIdsWithOtherTexts) {
  Fake fake;
  auto r = request(2, 2);
  r.prompts[1].problem_id = "p0";
  RecordedGenerator(fake, file).generate(r);
  const auto samples = RecordedGenerator(fake, file).generate(r);
  EXPECT_EQ(fake.asked, 4);
  EXPECT_EQ(samples[1].text, "text 0 1 1");
  EXPECT_EQ(samples[3].text, "text 1 1 1");
}

}  // namespace
}  // namespace foil
