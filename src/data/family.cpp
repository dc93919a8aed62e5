#include "data/family.h"

#include <algorithm>
#include <functional>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "data/family_scenes.h"
#include "text/pretokenizer.h"

namespace foil {

namespace {

const char kSigns[] = {'+', '-', '*', '/'};

using Words = std::map<std::string, std::string>;

std::string fill(std::string_view pattern, const Words& with) {
  std::string out;
  for (size_t i = 0; i < pattern.size();) {
    if (pattern[i] == '{') {
      const size_t end = pattern.find('}', i);
      out += with.at(std::string(pattern.substr(i + 1, end - i - 1)));
      i = end + 1;
    } else {
      out += pattern[i++];
    }
  }
  return out;
}

int apply(Operation op, int value, int k) {
  switch (op) {
    case Operation::kAdd: return value + k;
    case Operation::kSubtract: return value - k;
    case Operation::kMultiply: return value * k;
    case Operation::kDivide: return k == 0 || value % k ? -1 : value / k;
  }
  return -1;
}

// Sentence after sentence; "she" only where the sentence before was about the main person, the name elsewhere.
class Teller {
 public:
  explicit Teller(const Program& p) : p_(p) {}
  void say(std::string_view pattern, int k = 0, std::string_view after = "") {
    const bool clear = about_main_;
    Words words = {{"n", p_.name}, {"o", p_.other}, {"x", p_.object}, {"y", p_.distractor_object}, {"k", std::to_string(k)},
                   {"s", std::to_string(p_.start)}, {"d", std::to_string(p_.distractor)}, {"h", p_.she ? "her" : "him"}};
    words["P"] = !clear ? p_.name : p_.she ? "She" : "He";
    words["p"] = !clear ? p_.name : p_.she ? "she" : "he";
    if (!text_.empty()) text_ += ' ';
    text_ += fill(pattern, words);
    text_ += after;
    if (pattern.starts_with("{o}"))
      about_main_ = false;
    else if (pattern.find("{n}") != std::string_view::npos || pattern.find("{P}") != std::string_view::npos || pattern.find("{p}") != std::string_view::npos)
      about_main_ = true;
  }
  std::string take() { return std::move(text_); }

 private:
  const Program& p_;
  std::string text_;
  bool about_main_ = false;
};

const Wording& wording_of(const Program& p, const ProgramStep& s) {
  const auto& list = p.paraphrase ? paraphrased_wordings(int(s.operation)) : family_scenes()[size_t(p.scene)].told[int(s.operation)];
  return list.at(size_t(s.wording));
}

std::string clause_of(const Wording& w) {
  if (w.clause) return w.clause;
  const std::string told = w.told;
  return told.substr(0, told.size() - 1);
}

struct Range {
  int start_low, start_high, low, high, top;
};

// Operands for the operations, so that every value is a whole number in 1…top; false when this start allows none.
bool choose_operands(Program& p, const Range& range, Stream& stream) {
  int value = p.start = int(stream.between(range.start_low, range.start_high));
  for (auto& step : p.steps) {
    std::vector<int> possible;
    const bool factor = step.operation == Operation::kMultiply || step.operation == Operation::kDivide;
    for (int k = factor ? 2 : range.low; k <= (factor ? 5 : range.high); ++k) {
      const int next = apply(step.operation, value, k);
      if (next >= 1 && next <= range.top && k != value) possible.push_back(k);
    }
    if (possible.empty()) return false;
    step.operand = stream.pick(possible);
    value = apply(step.operation, value, step.operand);
  }
  return true;
}

Range range_of(const std::string& split) { return split == "larger" ? Range{20, 50, 10, 20, 80} : Range{3, 20, 2, 9, 40}; }

void choose_people(Program& p, Stream& stream) {
  const Person person = stream.pick(family_people());
  p.name = person.name, p.she = person.she;
  do p.other = stream.pick(family_people()).name;
  while (p.other == p.name);
  const Scene& scene = family_scenes()[size_t(p.scene)];
  p.object = stream.pick(scene.objects);
  p.distractor_object.clear();
  while (p.distractor >= 0 && (p.distractor_object.empty() || p.distractor_object == p.object)) p.distractor_object = stream.pick(family_scenes()[0].objects);
}

// A wording for step i; comparisons only at the end, none twice in a row where there is a choice.
void choose_wording(Program& p, size_t i, Stream& stream) {
  auto& step = p.steps[i];
  const auto& list = p.paraphrase ? paraphrased_wordings(int(step.operation)) : family_scenes()[size_t(p.scene)].told[int(step.operation)];
  std::vector<int> possible;
  for (int w = 0; w < int(list.size()); ++w)
    if (i + 1 == p.steps.size() || !list[size_t(w)].question) possible.push_back(w);
  if (i > 0 && possible.size() > 1 && p.steps[i - 1].operation == step.operation) std::erase(possible, p.steps[i - 1].wording);
  step.wording = stream.pick(possible);
}

}  // namespace

std::vector<int> Program::values() const {
  std::vector<int> out = {start};
  for (const auto& s : steps) {
    FOIL_CHECK(s.operation != Operation::kDivide || s.operand != 0, "a division by zero in a program");
    out.push_back(apply(s.operation, out.back(), s.operand));
    FOIL_CHECK(out.back() >= 0 && out.back() <= 99, "a value of {} in a program", out.back());
  }
  return out;
}

void to_json(Json& j, const Program& p) {
  Json steps = Json::array();
  for (const auto& s : p.steps) steps.push_back({kOperationNames[int(s.operation)].second, s.operand, s.wording});
  j = {{"scene", family_scenes().at(size_t(p.scene)).name}, {"name", p.name}, {"other", p.other}, {"object", p.object}, {"she", p.she},
       {"start", p.start}, {"steps", steps}, {"paraphrase", p.paraphrase}};
  if (p.distractor >= 0) j["distractor"] = {p.distractor, p.distractor_at, p.distractor_wording, p.distractor_object};
}

void from_json(const Json& j, Program& p) {
  const std::string scene = j.at("scene");
  p.scene = -1;
  for (size_t i = 0; i < family_scenes().size(); ++i)
    if (scene == family_scenes()[i].name) p.scene = int(i);
  if (p.scene < 0) throw Error(fmt::format("unknown scene \"{}\" in a generated problem", scene));
  p.name = j.at("name"), p.other = j.at("other"), p.object = j.at("object"), p.she = j.at("she"), p.start = j.at("start"), p.paraphrase = j.at("paraphrase");
  p.steps.clear();
  for (const auto& s : j.at("steps")) {
    const std::string name = s.at(0);
    bool found = false;
    for (const auto& [op, text] : kOperationNames)
      if (name == text) p.steps.push_back({op, s.at(1), s.at(2)}), found = true;
    if (!found) throw Error(fmt::format("unknown operation \"{}\" in a generated problem", name));
    const auto& list = p.paraphrase ? paraphrased_wordings(int(p.steps.back().operation)) : family_scenes()[size_t(p.scene)].told[int(p.steps.back().operation)];
    if (p.steps.back().wording < 0 || size_t(p.steps.back().wording) >= list.size())
      throw Error(fmt::format("wording {} of operation \"{}\" does not exist in scene \"{}\"", p.steps.back().wording, name, scene));
  }
  if (j.contains("distractor")) {
    const Json& d = j["distractor"];
    p.distractor = d.at(0), p.distractor_at = d.at(1), p.distractor_wording = d.at(2), p.distractor_object = d.at(3);
    if (p.distractor_wording < 0 || size_t(p.distractor_wording) >= family_distractors().size()) throw Error(fmt::format("distractor wording {} does not exist", p.distractor_wording));
  }
}

const std::vector<std::string>& family_splits() {
  static const std::vector<std::string> splits = {"steps2", "steps3", "longer", "larger", "distractor", "paraphrase", "order"};
  return splits;
}

void FamilyOptions::validate(const std::string& where) const {
  if (train_problems < 1 || eval_problems < 1) throw UsageError("train_problems and eval_problems must be at least 1", where);
  double sum = 0;
  for (const double share : {share_steps1, share_longer, share_larger, share_distractor, share_paraphrase, share_order}) {
    if (share < 0) throw UsageError(fmt::format("a share of {} is negative", share), where);
    sum += share;
  }
  if (sum > 1) throw UsageError(fmt::format("the shares add up to {:.2f}, more than 1", sum), where, "what they leave over is split between steps2 and steps3");
}

Program make_program(const std::string& split, Stream& stream) {
  for (;;) {
    Program p;
    p.scene = int(stream.below(family_scenes().size()));
    p.paraphrase = split == "paraphrase";
    const size_t count = split == "steps1"   ? 1
                         : split == "steps2" ? 2
                         : split == "steps3" ? 3
                         : split == "longer" ? 4
                                             : size_t(stream.between(2, 3));
    // Usual order: sums and differences, then perhaps one product or quotient at the end. `order` has it in front.
    for (size_t i = 0; i < count; ++i) p.steps.push_back({stream.chance(0.5) ? Operation::kAdd : Operation::kSubtract, 0, 0});
    const Operation factor = stream.chance(0.5) ? Operation::kMultiply : Operation::kDivide;
    if (split == "order")
      p.steps.front().operation = factor;
    else if (stream.chance(0.4))
      p.steps.back().operation = factor;
    for (size_t i = 0; i < count; ++i) choose_wording(p, i, stream);
    if (split == "distractor") {
      p.distractor = int(stream.between(2, 30));
      p.distractor_at = int(stream.below(count));
      p.distractor_wording = int(stream.below(family_distractors().size()));
    }
    if (!choose_operands(p, range_of(split), stream)) continue;
    choose_people(p, stream);
    return p;
  }
}

std::optional<std::string> render_solution(const Program& p, const std::vector<ProgramStep>& solved) {
  Teller teller(p);
  teller.say(family_scenes()[size_t(p.scene)].start);
  int value = p.start;
  for (const auto& s : solved) {
    const int next = apply(s.operation, value, s.operand);
    if (next < 0 || next > 99) return std::nullopt;
    teller.say(clause_of(wording_of(p, s)), s.operand, fmt::format(": {} {} {} = {}.", value, kSigns[int(s.operation)], s.operand, next));
    value = next;
  }
  return teller.take() + fmt::format(" #### {}", value);
}

Problem render(const Program& p, const std::string& id) {
  const Scene& scene = family_scenes()[size_t(p.scene)];
  Teller teller(p);
  teller.say(p.paraphrase ? scene.other_opening : scene.opening);
  const char* question = p.paraphrase ? scene.other_question : scene.question;
  for (size_t i = 0; i < p.steps.size(); ++i) {
    if (p.distractor >= 0 && size_t(p.distractor_at) == i) teller.say(family_distractors()[size_t(p.distractor_wording)]);
    const Wording& w = wording_of(p, p.steps[i]);
    teller.say(w.told, p.steps[i].operand);
    if (w.question) question = w.question;
  }
  teller.say(question);
  const auto solution = render_solution(p, p.steps);
  FOIL_CHECK(solution, "a program whose values leave 0…99");
  Problem out{id, teller.take(), std::to_string(p.answer()), solution};
  out.extra["family"] = p;
  return out;
}

Program program_of(const Problem& problem) {
  const auto it = problem.extra.find("family");
  if (it == problem.extra.end())
    throw Error("this problem is not of the generated family", problem.id, "views and exact perturbations need problems made by foil data make");
  try {
    return it->get<Program>();
  } catch (const Json::exception& e) {
    throw Error(fmt::format("field \"family\" is not a program: {}", e.what()), problem.id);
  }
}

bool family_evaluation_side(std::string_view problem) { return hash64(problem, 0xe7a1) % 8 == 0; }

Program another_view(const Program& program, Stream& stream) {
  bool larger = false;
  for (const auto& s : program.steps) larger |= s.operand > 9;
  const bool side = family_evaluation_side(render(program, "").problem);
  for (Program p = program;;) {
    if (!choose_operands(p, range_of(larger ? "larger" : "steps2"), stream)) continue;
    if (p.distractor >= 0) p.distractor = int(stream.between(2, 30));
    choose_people(p, stream);
    if (family_evaluation_side(render(p, "").problem) == side) return p;
  }
}

namespace {

// New problems of `make`, on one side, until there are n.
std::vector<Problem> collect(int64_t n, bool evaluation, const char* option, const std::function<Problem(size_t)>& make) {
  std::vector<Problem> out;
  std::unordered_set<std::string> seen;
  for (int64_t attempts = 0; int64_t(out.size()) < n;) {
    if (++attempts > 200 * n + 1000) throw Error(fmt::format("the family has too few different problems for {} = {}", option, n), "", "ask for fewer, or other shares");
    Problem p = make(out.size());
    if (family_evaluation_side(p.problem) == evaluation && seen.insert(p.problem).second) out.push_back(std::move(p));
  }
  return out;
}

}  // namespace

std::vector<Problem> family_eval(const FamilyOptions& options, uint64_t seed, const std::string& split) {
  if (std::find(family_splits().begin(), family_splits().end(), split) == family_splits().end())
    throw UsageError(fmt::format("the generated family has no split \"{}\"", split), "", fmt::format("its splits: {}", fmt::join(family_splits(), ", ")));
  Stream stream(seed, "family/eval/" + split);
  return collect(options.eval_problems, true, "eval_problems", [&](size_t i) {
    Problem p = render(make_program(split, stream), fmt::format("{}/{}", split, i));
    p.subject = split;
    return p;
  });
}

std::vector<Problem> family_train(const FamilyOptions& options, uint64_t seed) {
  Stream stream(seed, "family/train");
  const std::pair<const char*, double> shares[] = {{"steps1", options.share_steps1},         {"longer", options.share_longer},
                                                   {"larger", options.share_larger},         {"distractor", options.share_distractor},
                                                   {"paraphrase", options.share_paraphrase}, {"order", options.share_order}};
  return collect(options.train_problems, false, "train_problems", [&](size_t i) {
    double u = stream.uniform();
    const char* split = nullptr;
    for (const auto& [name, share] : shares) {
      if (!split && u < share) split = name;
      u -= share;
    }
    if (!split) split = stream.chance(0.5) ? "steps2" : "steps3";
    Problem p = render(make_program(split, stream), fmt::format("train/{}", i));
    p.subject = split;
    return p;
  });
}

std::vector<std::string> family_corpus(uint64_t seed, int64_t problems) {
  Stream stream(seed, "family/corpus");
  std::vector<std::string> out = family_vocabulary();  // rare words are in it too
  for (int64_t i = 0; i < problems; ++i)
    for (const auto& split : family_splits()) {
      const Problem p = render(make_program(split, stream), "");
      out.push_back(p.problem);
      out.push_back(*p.solution);
    }
  return out;
}

const std::vector<std::string>& family_vocabulary() {
  static const std::vector<std::string> vocabulary = [] {
    // Every wording with every name, then every object.
    std::vector<std::string> texts;
    auto tell = [&](Program p) {
      const auto& people = family_people();
      for (size_t i = 0; i < people.size(); ++i) {
        p.name = people[i].name, p.she = people[i].she, p.other = people[(i + 1) % people.size()].name;
        const Problem problem = render(p, "");
        texts.push_back(problem.problem), texts.push_back(*problem.solution);
      }
    };
    for (int s = 0; s < int(family_scenes().size()); ++s)
      for (const bool paraphrase : {false, true}) {
        const Scene& scene = family_scenes()[size_t(s)];
        Program p;
        p.scene = s, p.object = scene.objects[0], p.paraphrase = paraphrase, p.start = 12;
        for (int op = 0; op < 4; ++op) {
          const auto& list = paraphrase ? paraphrased_wordings(op) : scene.told[op];
          for (int w = 0; w < int(list.size()); ++w) {
            p.steps = {{Operation(op), 2, w}};
            tell(p);
            if (!list[size_t(w)].question) p.steps.push_back(p.steps[0]), tell(p);  // told again: with the pronoun
          }
        }
        p.steps = {{Operation::kAdd, 2, 0}};
        for (const auto& object : scene.objects) p.object = object, tell(p);
        p.distractor = 2;
        for (int d = 0; d < int(family_distractors().size()); ++d)
          for (const auto& object : family_scenes()[0].objects) p.distractor_wording = d, p.distractor_object = object, tell(p);
      }
    std::vector<std::string> out;
    std::unordered_set<std::string> seen;
    auto add = [&](std::string word) {
      if (seen.insert(word).second) out.push_back(std::move(word));
    };
    for (int n = 0; n < 100; ++n) add(" " + std::to_string(n));
    const auto cutter = text::PreTokenizer::from_json({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}, "the generated family");
    std::vector<std::string_view> pieces;
    for (const auto& t : texts) {
      cutter.split(t, pieces);
      for (const auto piece : pieces) add(std::string(piece));
    }
    return out;
  }();
  return vocabulary;
}

}  // namespace foil
