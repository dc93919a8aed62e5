// Cutting text into words before BPE: the pre_tokenizer of tokenizer.json.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace foil::text {

class PreTokenizer {
 public:
  // `j`: the pre_tokenizer object. Throws Error for a kind that is not supported, naming it.
  static PreTokenizer from_json(const nlohmann::json& j, const std::string& where);
  // Pieces of valid UTF-8 text, in order, covering it. add_prefix_space is applied by the caller (see prefix_space()).
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;
  bool prefix_space() const { return prefix_space_; }

 private:
  struct Rule;
  std::vector<std::shared_ptr<const Rule>> rules_;
  bool prefix_space_ = false;
};

}  // namespace foil::text
