#include "data/family.h"

#include <unordered_set>

#include "base/error.h"

namespace foil {

namespace {

struct Person {
  const char* name;
  bool she;
};
const std::vector<Person> kPeople = {{"Tom", false}, {"Anna", true}, {"Ben", false}, {"Mia", true}, {"Sam", false}, {"Lucy", true},
                                     {"Max", false}, {"Eva", true},  {"Leo", false}, {"Nina", true}, {"Paul", false}, {"Ruth", true}};
const std::vector<std::string> kObjects = {"apples", "books", "coins", "stamps", "shells", "cards", "marbles", "pencils", "flowers", "cookies", "stones", "tickets"};

// {n} the name, {p} He/She, {o} the other person, {x} the objects, {k} the operand.
const std::vector<std::string> kTold[4] = {
    {"{p} buys {k} more.", "{p} finds {k} more.", "{o} gives {n} {k} more."},
    {"{p} gives {k} to {o}.", "{p} loses {k}.", "{p} sells {k}."},
    {"Then the number becomes {k} times as large.", "Then {p} has {k} times as many."},
    {"{p} puts them into {k} equal boxes and keeps one box.", "{p} shares them equally among {k} friends and keeps one share."}};
const std::vector<std::string> kParaphrased[4] = {
    {"A trip to the market brings {k} extra.", "As a present, {k} new ones arrive."},
    {"After that, {k} are taken away.", "Sadly, {k} of them break."},
    {"Soon there are {k} times as many as before.", "A lucky day makes it {k} times the number."},
    {"Only one of {k} equal parts is left.", "They are cut down to one part in {k}."}};
const char* kSolved[4] = {"{p} gets {k} more: {a} + {k} = {b}.", "{k} go away: {a} - {k} = {b}.", "There are {k} times as many: {a} * {k} = {b}.",
                          "One of {k} parts stays: {a} / {k} = {b}."};

std::string fill(std::string text, const std::map<std::string, std::string>& with) {
  for (const auto& [key, value] : with)
    for (size_t at; (at = text.find(key)) != std::string::npos;) text.replace(at, key.size(), value);
  return text;
}

int apply(Operation op, int value, int k) {
  switch (op) {
    case Operation::kAdd: return value + k;
    case Operation::kSubtract: return value - k;
    case Operation::kMultiply: return value * k;
    case Operation::kDivide: return value % k ? -1 : value / k;
  }
  return -1;
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

Range range_of(const std::string& split) {
  return split == "larger" ? Range{20, 60, 11, 30, 99} : Range{3, 30, 2, 12, 60};
}

void choose_people(Program& p, Stream& stream) {
  const Person person = stream.pick(kPeople);
  p.name = person.name, p.she = person.she;
  do p.other = stream.pick(kPeople).name;
  while (p.other == p.name);
  p.object = stream.pick(kObjects);
  if (p.distractor >= 0)
    do p.distractor_object = stream.pick(kObjects);
    while (p.distractor_object == p.object);
}

}  // namespace

std::vector<int> Program::values() const {
  std::vector<int> out = {start};
  for (const auto& s : steps) {
    out.push_back(apply(s.operation, out.back(), s.operand));
    FOIL_CHECK(out.back() >= 0 && out.back() <= 99, "a value of {} in a program", out.back());
  }
  return out;
}

void to_json(Json& j, const Program& p) {
  Json steps = Json::array();
  for (const auto& s : p.steps) steps.push_back({kOperationNames[int(s.operation)].second, s.operand, s.wording});
  j = {{"name", p.name}, {"other", p.other}, {"object", p.object}, {"she", p.she}, {"start", p.start}, {"steps", steps}, {"paraphrase", p.paraphrase}};
  if (p.distractor >= 0) j["distractor"] = {p.distractor, p.distractor_at, p.distractor_object};
}

void from_json(const Json& j, Program& p) {
  p.name = j.at("name"), p.other = j.at("other"), p.object = j.at("object"), p.she = j.at("she"), p.start = j.at("start"), p.paraphrase = j.at("paraphrase");
  p.steps.clear();
  for (const auto& s : j.at("steps")) {
    const std::string name = s.at(0);
    bool found = false;
    for (const auto& [op, text] : kOperationNames)
      if (name == text) p.steps.push_back({op, s.at(1), s.at(2)}), found = true;
    if (!found) throw Error(fmt::format("unknown operation \"{}\" in a generated problem", name));
  }
  if (j.contains("distractor")) p.distractor = j["distractor"].at(0), p.distractor_at = j["distractor"].at(1), p.distractor_object = j["distractor"].at(2);
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
    for (auto& s : p.steps) s.wording = int(stream.below((p.paraphrase ? kParaphrased : kTold)[int(s.operation)].size()));
    if (split == "distractor") {
      p.distractor = int(stream.between(2, 30));
      p.distractor_at = int(stream.below(count + 1));
    }
    if (!choose_operands(p, range_of(split), stream)) continue;
    choose_people(p, stream);
    return p;
  }
}

Problem render(const Program& p, const std::string& id) {
  const std::vector<int> values = p.values();
  const std::string pronoun = p.she ? "She" : "He";
  auto words = [&](int k, int a, int b) {
    return std::map<std::string, std::string>{{"{n}", p.name}, {"{p}", pronoun}, {"{o}", p.other}, {"{x}", p.object}, {"{k}", std::to_string(k)}, {"{a}", std::to_string(a)}, {"{b}", std::to_string(b)}};
  };
  std::string text = p.paraphrase ? fmt::format("In the room of {} there are {} {}.", p.name, p.start, p.object) : fmt::format("{} has {} {}.", p.name, p.start, p.object);
  std::string solution = fmt::format("{} starts with {} {}.", p.name, p.start, p.object);
  for (size_t i = 0; i <= p.steps.size(); ++i) {
    if (p.distractor >= 0 && size_t(p.distractor_at) == i) text += fmt::format(" {} has {} {}.", p.other, p.distractor, p.distractor_object);
    if (i == p.steps.size()) break;
    const auto& s = p.steps[i];
    const auto& told = (p.paraphrase ? kParaphrased : kTold)[int(s.operation)];
    std::string sentence = fill(told.at(s.wording), words(s.operand, 0, 0));
    if (const size_t at = sentence.find("Then " + pronoun); at == 0) sentence[5] = p.she ? 's' : 'h';
    text += " " + sentence;
    solution += " " + fill(kSolved[int(s.operation)], words(s.operand, values[i], values[i + 1]));
  }
  text += p.paraphrase ? fmt::format(" What is the number of {} in the end?", p.object)
                       : fmt::format(" How many {} does {} have now?", p.object, p.name);
  solution += fmt::format(" #### {}", values.back());
  Problem out{id, text, std::to_string(values.back()), solution};
  out.extra["family"] = p;
  return out;
}

Program program_of(const Problem& problem) {
  const auto it = problem.extra.find("family");
  if (it == problem.extra.end())
    throw Error("this problem is not of the generated family", problem.id, "views and exact perturbations need problems made by foil data make");
  return it->get<Program>();
}

Program another_view(const Program& program, Stream& stream) {
  bool larger = false;
  for (const auto& s : program.steps) larger |= s.operand > 12;
  Program p = program;
  while (!choose_operands(p, range_of(larger ? "larger" : "steps2"), stream)) {
  }
  choose_people(p, stream);
  if (p.distractor >= 0) p.distractor = int(stream.between(2, 30));
  return p;
}

std::vector<Problem> family_eval(const FamilyOptions& options, uint64_t seed, const std::string& split) {
  if (std::find(family_splits().begin(), family_splits().end(), split) == family_splits().end())
    throw UsageError(fmt::format("the generated family has no split \"{}\"", split), "", fmt::format("its splits: {}", fmt::join(family_splits(), ", ")));
  Stream stream(seed, "family/eval/" + split);
  std::vector<Problem> out;
  std::unordered_set<std::string> seen;
  while (int64_t(out.size()) < options.eval_problems) {
    Problem p = render(make_program(split, stream), fmt::format("{}/{}", split, out.size()));
    if (seen.insert(p.problem).second) out.push_back(std::move(p));
  }
  return out;
}

std::vector<Problem> family_train(const FamilyOptions& options, uint64_t seed) {
  std::unordered_set<std::string> seen;
  for (const auto& split : family_splits())
    for (const auto& p : family_eval(options, seed, split)) seen.insert(p.problem);
  Stream stream(seed, "family/train");
  const std::pair<const char*, double> shares[] = {{"steps1", options.share_steps1},         {"longer", options.share_longer},
                                                   {"larger", options.share_larger},         {"distractor", options.share_distractor},
                                                   {"paraphrase", options.share_paraphrase}, {"order", options.share_order}};
  std::vector<Problem> out;
  int64_t attempts = 0;
  while (int64_t(out.size()) < options.train_problems) {
    if (++attempts > 50 * options.train_problems + 1000)
      throw Error(fmt::format("the family has too few different problems for train_problems = {}", options.train_problems), "", "ask for fewer, or other shares");
    double u = stream.uniform();
    const char* split = nullptr;
    for (const auto& [name, share] : shares) {
      if (!split && u < share) split = name;
      u -= share;
    }
    if (!split) split = stream.chance(0.5) ? "steps2" : "steps3";
    Problem p = render(make_program(split, stream), fmt::format("train/{}", out.size()));
    p.subject = split;
    if (seen.insert(p.problem).second) out.push_back(std::move(p));
  }
  return out;
}

std::vector<std::string> family_corpus(uint64_t seed, int64_t problems) {
  Stream stream(seed, "family/corpus");
  std::vector<std::string> out;
  for (int64_t i = 0; i < problems; ++i)
    for (const auto& split : family_splits()) {
      const Problem p = render(make_program(split, stream), "");
      out.push_back(p.problem);
      out.push_back(*p.solution);
    }
  return out;
}

}  // namespace foil
