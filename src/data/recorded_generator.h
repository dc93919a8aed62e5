// A Generator that keeps every answer in a file as it comes, and asks only for those that are not there yet.
//
// What a killed run, or one whose endpoint went down, had finished is not asked again. An answer is found by what it was asked for:
// prompt, sampling parameters, seed, source and sample id, and `identity`, which says who answers. Samples do not depend on what else is
// asked with them (the seam's promise), so the result is that of one uninterrupted call. Not thread-safe.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/atomic_file.h"
#include "data/generator.h"

namespace foil {

class RecordedGenerator : public Generator {
 public:
  // `file`: JSON Lines, made when missing; a torn last line and lines of other requests are ignored. The reference is not owned.
  RecordedGenerator(Generator& inner, const std::filesystem::path& file, std::string identity = "");
  RecordedGenerator(std::shared_ptr<Generator> inner, const std::filesystem::path& file, std::string identity = "");
  std::vector<Sample> generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample = {}) override;
  std::string describe() const override { return inner_.describe(); }
  size_t found() const { return found_; }  // answers that came from the file so far

 private:
  std::shared_ptr<Generator> owned_;
  Generator& inner_;
  std::string identity_;
  std::map<std::string, Sample> known_;
  std::unique_ptr<LineAppender> lines_;
  size_t found_ = 0;
};

}  // namespace foil
