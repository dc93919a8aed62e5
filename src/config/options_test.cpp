#include "config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil::config {
namespace {

enum class Shape { kCosine, kLinear };
inline constexpr std::pair<Shape, const char*> kShapeNames[] = {{Shape::kCosine, "cosine"}, {Shape::kLinear, "linear"}};
inline auto& enum_names(Shape) { return kShapeNames; }

struct Inner {
  double lr = 1e-3;
  Shape shape = Shape::kCosine;
  template <class V> void visit(V& v) {
    v("lr", lr, "step size");
    v("shape", shape, "of the schedule");
  }
  void validate(const std::string& where) const {
    if (lr <= 0) throw UsageError("lr must be positive", where);
  }
};

struct Outer {
  int group_size = 8;
  int64_t tokens = 4096;
  uint64_t seed = 1;
  bool pack = true;
  std::string name = "x";
  std::filesystem::path model;
  std::optional<double> margin;
  std::vector<std::string> stop;
  std::vector<Inner> phases;
  std::map<std::string, double> weights;
  Inner optimizer;
  template <class V> void visit(V& v) {
    v("group_size", group_size, "completions per problem");
    v("tokens", tokens, "per step");
    v("seed", seed, "of everything random");
    v("pack", pack, "pack sequences");
    v("name", name, "of the run");
    v("model", model, "folder");
    v("margin", margin, "if any");
    v("stop", stop, "stop strings");
    v("phases", phases, "one after the other");
    v("weights", weights, "by term");
    v.group("optimizer", optimizer, "how weights move");
  }
};

Outer read_text(const std::string& yaml) {
  Outer out;
  read(parse_yaml(yaml, "r.yaml"), out);
  return out;
}

// The error as "where: what [hint]".
std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const UsageError& e) {
    return e.where() + ": " + e.message() + " [" + e.hint() + "]";
  }
  return "no error";
}
std::string error_of(const std::string& yaml) {
  return error_of([&] { read_text(yaml); });
}

TEST(Options, EveryTypeIsRead) {
  const Outer o = read_text(R"(
group_size: 16
tokens: 1e5
seed: 18446744073709551615
pack: false
name: "a: b"
model: /tmp/m
margin: 0.5
stop: ["\n", end]
phases:
  - lr: 0.1
  - {lr: 2, shape: linear}
weights: {a: 1, b: -2.5}
optimizer:
  lr: 5e-7
  shape: linear
)");
  EXPECT_EQ(o.group_size, 16);
  EXPECT_EQ(o.tokens, 100000);
  EXPECT_EQ(o.seed, UINT64_MAX);
  EXPECT_FALSE(o.pack);
  EXPECT_EQ(o.name, "a: b");
  EXPECT_EQ(o.model, "/tmp/m");
  EXPECT_EQ(o.margin, 0.5);
  EXPECT_THAT(o.stop, testing::ElementsAre("\n", "end"));
  ASSERT_EQ(o.phases.size(), 2u);
  EXPECT_EQ(o.phases[0].shape, Shape::kCosine);
  EXPECT_EQ(o.phases[1].shape, Shape::kLinear);
  EXPECT_EQ(o.weights.at("b"), -2.5);
  EXPECT_EQ(o.optimizer.lr, 5e-7);
  EXPECT_FALSE(read_text("margin: null").margin);
}

TEST(Options, ErrorsNamePlaceExpectedFoundAndNearest) {
  EXPECT_EQ(error_of("tokens: 3\ngroup_sise: 4\n"), "r.yaml:2:1: unknown key \"group_sise\" [did you mean \"group_size\"?]");
  EXPECT_EQ(error_of("optimizer:\n  learning: 4\n"), "r.yaml:2:3: unknown key \"learning\" in optimizer [known keys: lr, shape]");
  EXPECT_EQ(error_of("group_size: many\n"), "r.yaml:1:13: group_size: expected an integer, found \"many\" []");
  EXPECT_EQ(error_of("group_size: 2.5\n"), "r.yaml:1:13: group_size: expected an integer, found \"2.5\" []");
  EXPECT_EQ(error_of("group_size: \"2\"\n"), "r.yaml:1:13: group_size: expected an integer, found \"2\" []");
  EXPECT_EQ(error_of("group_size: 3000000000\n"), "r.yaml:1:13: group_size: expected an integer from -2147483648 to 2147483647, found \"3000000000\" []");
  EXPECT_EQ(error_of("seed: -1\n"), "r.yaml:1:7: seed: expected an integer from 0 to 18446744073709551615, found \"-1\" []");
  EXPECT_EQ(error_of("pack: yes\n"), "r.yaml:1:7: pack: expected true or false, found \"yes\" []");
  EXPECT_EQ(error_of("stop: end\n"), "r.yaml:1:7: stop: expected a list, found \"end\" [write [end]]");
  EXPECT_EQ(error_of("optimizer: {shape: cosin}\n"), "r.yaml:1:20: optimizer.shape: expected one of cosine, linear, found \"cosin\" [did you mean \"cosine\"?]");
  EXPECT_EQ(error_of("optimizer: 3\n"), "r.yaml:1:12: optimizer: expected a section (a map of names and values), found \"3\" []");
  EXPECT_EQ(error_of("phases:\n- lr: 1\n- lr: x\n"), "r.yaml:3:7: phases.1.lr: expected a number, found \"x\" []");
  EXPECT_EQ(error_of("name:\n  a: 1\n"), "r.yaml:2:3: name: expected text, found a map with the keys a [put the text in quotes if it contains a colon or a brace]");
}

TEST(Options, ValidateRunsOnNestedStructsWithTheirPlace) {
  EXPECT_EQ(error_of("tokens: 1\noptimizer:\n  lr: 0\n"), "r.yaml:3:3 (optimizer): lr must be positive []");
  EXPECT_EQ(error_of("phases: [{lr: 1}, {lr: -1}]"), "r.yaml:1:19 (phases.1): lr must be positive []");
}

TEST(Yaml, BadDocumentsAreRefusedWithTheirLine) {
  EXPECT_THAT(error_of("a: [1, 2\nb: 3\n"), testing::StartsWith("r.yaml:2:2: not readable as YAML: "));
  EXPECT_EQ(error_of("tokens: 1\nname: a\ntokens: 2\n"), "r.yaml:3:1: key \"tokens\" stands twice in one map [the first one is at line 1: keep one]");
  EXPECT_THAT(error_of("name: a\n---\nname: b\n"), testing::HasSubstr("2 documents in one file"));
  EXPECT_THAT(error_of("name: !!python/object a\n"), testing::HasSubstr("tags such as"));
  EXPECT_EQ(error_of(""), "no error");
  EXPECT_EQ(error_of("# nothing\n"), "no error");
  EXPECT_THAT(error_of("- a\n"), testing::StartsWith("r.yaml:1:1: document: expected a section"));
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  EXPECT_THAT(error_of(bomb), testing::HasSubstr("more than a million values"));
}

TEST(Yaml, AnchorsAndMergeKeys) {
  const Value v = parse_yaml("base: &b {lr: 1, shape: linear}\noptimizer:\n  <<: *b\n  lr: 2\n", "r.yaml");
  Inner inner;
  read(*v.find("optimizer"), inner);
  EXPECT_EQ(inner.lr, 2);
  EXPECT_EQ(inner.shape, Shape::kLinear);
}

TEST(Set, OverridesAreTypedAndCheckedLikeTheFile) {
  Value v = parse_yaml("optimizer: {lr: 1}\nphases: [{lr: 1}]\n", "r.yaml");
  set(v, "optimizer.lr=1e-6");
  set(v, "phases.0.shape=linear");
  set(v, "stop=[a, b]");
  set(v, "name=");
  Outer o;
  read(v, o);
  EXPECT_EQ(o.optimizer.lr, 1e-6);
  EXPECT_EQ(o.phases[0].shape, Shape::kLinear);
  EXPECT_EQ(o.phases[0].lr, 1);
  EXPECT_THAT(o.stop, testing::ElementsAre("a", "b"));
  EXPECT_EQ(o.name, "");
  o.margin = 2;
  set(v, "margin=null");
  read(v, o);
  EXPECT_FALSE(o.margin);
  const auto after = [&](const char* text) {
    return error_of([&] {
      Value w = v;
      set(w, text);
      Outer out;
      read(w, out);
    });
  };
  EXPECT_EQ(after("optimizer.lrr=1"), "--set optimizer.lrr=1: unknown key \"lrr\" in optimizer [did you mean \"lr\"?]");
  EXPECT_EQ(after("optimizer.lr=fast"), "--set optimizer.lr=fast: optimizer.lr: expected a number, found \"fast\" []");
  EXPECT_EQ(after("optimizer.lr.x=1"), "--set optimizer.lr.x=1: optimizer.lr is \"1e-6\", not a section []");
  EXPECT_EQ(after("phases.3.lr=1"), "--set phases.3.lr=1: phases is a list of 1: expected an index from 0, found \"3\" []");
  EXPECT_EQ(after("lr"), "--set lr: expected NAME=VALUE [for example --set train.optimizer.lr=1e-6]");
}

TEST(Dump, YamlAndJsonReadBackToTheSame) {
  Outer o = read_text("name: \"yes\"\nstop: [\"\\n\", \"1.5\", \" a\", \"x: y\", é]\nmargin: .inf\nphases: [{lr: 0.1}]\nweights: {a b: 3}\nmodel: /x y\n");
  const std::string yaml = to_yaml(o);
  Outer again;
  read(parse_yaml(yaml, "dump"), again);
  EXPECT_EQ(to_json(again).dump(), to_json(o).dump());
  EXPECT_EQ(again.name, "yes");
  EXPECT_THAT(again.stop, testing::ElementsAre("\n", "1.5", " a", "x: y", "é"));
  EXPECT_EQ(again.margin, HUGE_VAL);
  EXPECT_EQ(again.weights.at("a b"), 3);
  EXPECT_THAT(yaml, testing::HasSubstr("optimizer:\n  lr: 0.001\n  shape: cosine\n"));
  EXPECT_THAT(yaml, testing::HasSubstr("phases:\n  - lr: 0.1\n    shape: cosine\n"));
}

struct Two {
  Inner a, b;
  int group_size = 8;
  bool fast = false;
  template <class V> void visit(V& v) {
    v.group("a", a, "first");
    v.group("b", b, "second");
    v("group_size", group_size, "completions per problem");
    v("fast", fast, "or not");
  }
};

TEST(Fields, ListNamesFlagsTypesAndDefaults) {
  const auto list = fields<Two>();
  std::map<std::string, Field> by_path;
  for (const auto& f : list) by_path[f.path] = f;
  EXPECT_EQ(by_path.at("a").type, "section");
  EXPECT_EQ(by_path.at("a.lr").flag, "--a-lr");
  EXPECT_EQ(by_path.at("group_size").flag, "--group-size");
  EXPECT_EQ(by_path.at("group_size").default_text, "8");
  EXPECT_EQ(by_path.at("a.lr").default_text, "0.001");
  EXPECT_THAT(by_path.at("b.shape").choices, testing::ElementsAre("cosine", "linear"));
  EXPECT_TRUE(by_path.at("fast").is_bool);
  const std::string commented = commented_yaml(list);
  EXPECT_THAT(commented, testing::HasSubstr("group_size: 8  # completions per problem\n"));
  EXPECT_THAT(commented, testing::HasSubstr("[cosine, linear]\n"));
  Two again;
  read(parse_yaml(commented, "commented"), again);
}

TEST(SectionsTest, UnreadSectionsAreRefused) {
  const Value v = parse_yaml("rl: {lr: 1}\nevaluate: {}\n", "r.yaml");
  Sections sections(v);
  Inner inner;
  EXPECT_TRUE(sections.read("rl", inner));
  EXPECT_FALSE(sections.read("eval", inner));
  EXPECT_EQ(error_of([&] { sections.finish(); }), "r.yaml:2:1: unknown key \"evaluate\" [known keys: rl, eval]");
}

TEST(Files, ExtendsMergesAndVariablesSubstitute) {
  const auto dir = std::filesystem::temp_directory_path() / fmt::format("foil_config_test_{}", getpid());
  write_file(dir / "base.yaml", "variables: {size: 128, root: /m}\nrl:\n  name: ${root}/x$${y}\n  tokens: ${size}\n  stop: [a, b]\n");
  write_file(dir / "top.yaml", "extends: base.yaml\nvariables: {size: 64}\nrl: {stop: [c]}\n");
  write_file(dir / "cycle.yaml", "extends: [base.yaml, cycle.yaml]\n");
  Value v = load_yaml(dir / "top.yaml");
  substitute_variables(v);
  EXPECT_FALSE(v.find("extends"));
  EXPECT_FALSE(v.find("variables"));
  Outer o;
  Sections sections(v);
  sections.read("rl", o);
  sections.finish();
  EXPECT_EQ(o.tokens, 64);
  EXPECT_EQ(o.name, "/m/x${y}");
  EXPECT_THAT(o.stop, testing::ElementsAre("c"));
  EXPECT_THAT(error_of([&] { load_yaml(dir / "cycle.yaml"); }), testing::HasSubstr("extends itself"));
  Value w = parse_yaml("variables: {size: 1}\na: ${sise}\n", "r.yaml");
  EXPECT_EQ(error_of([&] { substitute_variables(w); }), "r.yaml:2:4: there is no variable \"sise\" [did you mean \"size\"?]");
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace foil::config
