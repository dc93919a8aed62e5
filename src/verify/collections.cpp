#include "verify/collections.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "verify/relations.h"

namespace foil::verify {

namespace {

constexpr uint32_t kMaxMembers = 256;

bool has_sign_choice(const Expr& e) {
  return any(e, [](const Expr& x) { return x.is(Kind::kPlusMinus); });
}

const Expr* choose_sign(const Expr& e, bool plus, Arena& arena) {
  if (!has_sign_choice(e)) return &e;
  if (e.is(Kind::kPlusMinus)) {
    const Expr* inner = choose_sign(e[0], plus, arena);
    return plus != e.flag ? inner : arena.neg(inner);
  }
  std::vector<const Expr*> args;
  for (uint32_t i = 0; i < e.count; ++i) args.push_back(choose_sign(e[i], plus, arena));
  Expr* copy = arena.make(e.kind);
  *copy = e;
  arena.set_args(copy, args.data(), args.size());
  return copy;
}

}  // namespace

const Expr* expand_signs(const Expr& e, Comparison& c) {
  if (!has_sign_choice(e)) return &e;
  if (e.is(Kind::kList) || e.is(Kind::kSet)) {
    std::vector<const Expr*> members;
    for (uint32_t i = 0; i < e.count; ++i) {
      const Expr* x = expand_signs(e[i], c);
      if (x->is(Kind::kList)) members.insert(members.end(), x->args, x->args + x->count);
      else members.push_back(x);
      if (members.size() > kMaxMembers) throw BudgetSpent{};
    }
    Expr* copy = c.arena.make(e.kind, members.data(), members.size());
    copy->index = e.index;
    return copy;
  }
  // independent signs in the entries of a tuple: (±1, ±2) means all four points
  if (e.is(Kind::kTuple) && e.count <= 4) {
    std::vector<std::vector<const Expr*>> rows = {{}};
    for (uint32_t i = 0; i < e.count; ++i) {
      const Expr* x = expand_signs(e[i], c);
      std::vector<std::vector<const Expr*>> more;
      const bool several = has_sign_choice(e[i]) && x->is(Kind::kList);
      for (const auto& row : rows)
        for (uint32_t k = 0; k < (several ? x->count : 1); ++k) {
          more.push_back(row);
          more.back().push_back(several ? x->args[k] : x);
        }
      rows = std::move(more);
    }
    std::vector<const Expr*> members;
    for (const auto& row : rows) {
      Expr* t = c.arena.make(Kind::kTuple, row.data(), row.size());
      t->name = e.name;
      members.push_back(t);
    }
    return c.arena.make(Kind::kList, members);
  }
  return c.arena.make(Kind::kList, {choose_sign(e, true, c.arena), choose_sign(e, false, c.arena)});
}

bool members_match_in_order(const Expr& g, const Expr& a, Comparison& c) {
  if (g.count != a.count) return false;
  for (uint32_t i = 0; i < g.count; ++i)
    if (!equal_answers(g[i], a[i], c)) return false;
  return true;
}

bool members_match(const Expr& g, const Expr& a, Comparison& c) {
  if (g.count != a.count || g.count > kMaxMembers) return false;
  std::vector<bool> used(a.count);
  for (uint32_t i = 0; i < g.count; ++i) {
    bool found = false;
    for (uint32_t step = 0; step < a.count && !found; ++step) {
      const uint32_t j = (i + step) % a.count;  // the same place first
      if (used[j] || !equal_answers(g[i], a[j], c)) continue;
      used[j] = found = true;
    }
    if (!found) return false;
  }
  return true;
}

bool collection(const Expr& e) { return e.is(Kind::kList) || e.is(Kind::kSet) || e.is(Kind::kTuple); }

bool half_open(const Expr& e) { return e.is(Kind::kTuple) && (e.name == "[)" || e.name == "(]"); }

namespace {

bool sets_match(const Expr& g, const Expr& a, Comparison& c) {
  if (g.count > kMaxMembers || a.count > kMaxMembers) return false;
  std::vector<bool> hit(a.count);
  for (uint32_t i = 0; i < g.count; ++i) {
    bool found = false;
    for (uint32_t step = 0; step < a.count; ++step) {
      const uint32_t j = (i + step) % a.count;
      if ((hit[j] && found) || g[i].is(Kind::kSet) != a[j].is(Kind::kSet)) continue;  // {{1}, {2}} is not {1, 2}
      if (equal_answers(g[i], a[j], c)) hit[j] = found = true;
    }
    if (!found) return false;
  }
  for (uint32_t j = 0; j < a.count; ++j) {
    if (hit[j]) continue;
    bool found = false;
    for (uint32_t i = 0; i < g.count && !found; ++i) found = g[i].is(Kind::kSet) == a[j].is(Kind::kSet) && equal_answers(g[i], a[j], c);
    if (!found) return false;
  }
  return true;
}

bool tuples_match(const Expr& g, const Expr& a, Comparison& c) {
  c.rule = "tuple";
  if (g.count != a.count) return false;
  if (g.count == 2) {
    // two entries in round or square brackets may be intervals: the brackets count
    const bool vector = g.name == "<>" || a.name == "<>";
    if (!vector && g.name != a.name) {
      c.note = "different brackets";
      return false;
    }
  }
  const bool equal = c.options.ordered_tuples || (g.count == 2 && g.name != "()") ? members_match_in_order(g, a, c) : members_match(g, a, c);
  c.rule = "tuple";
  return equal;
}

}  // namespace

std::optional<bool> compare_collections(const Expr& g, const Expr& a, Comparison& c) {
  if (g.is(Kind::kTuple) && a.is(Kind::kTuple)) return tuples_match(g, a, c);
  const bool g_bare = g.is(Kind::kList), a_bare = a.is(Kind::kList);
  if ((g.is(Kind::kSet) && (a.is(Kind::kSet) || a_bare)) || (a.is(Kind::kSet) && g_bare)) {
    const bool equal = sets_match(g, a, c);
    c.rule = "set";
    return equal;
  }
  if (g_bare && a_bare) {
    // Repeats of numbers count (roots with multiplicity); a point or equation named twice is the same point.
    bool structured = true;
    for (uint32_t i = 0; i < g.count; ++i) structured = structured && !is_scalar(g[i]);
    const bool equal = members_match(g, a, c) || (structured && g.count != a.count && sets_match(g, a, c));
    c.rule = "list";
    if (!equal && g.count != a.count) c.note = "a different number of answers";
    return equal;
  }
  // (1, 2) against 1, 2
  if ((g.is(Kind::kTuple) && a_bare) || (a.is(Kind::kTuple) && g_bare)) {
    const Expr& tuple = g_bare ? a : g;
    const Expr& bare = g_bare ? g : a;
    c.rule = "tuple";
    if (half_open(tuple) || (tuple.count == 2 && tuple.name == "[]")) return false;
    // x = 3, y = 4 against (3, 4): in the order given or by name
    std::vector<std::pair<std::string, const Expr*>> named;
    for (uint32_t i = 0; i < bare.count; ++i)
      if (const auto l = label(bare[i], c); l && l->name) named.emplace_back(to_string(*l->name), l->value);
    // names that follow each other in the alphabet (x, y; a, b, c) say the places; others may come in the order given
    bool says_places = named.size() == bare.count && named.size() > 1;
    if (says_places) {
      std::vector<std::string> names;
      for (const auto& [name, value] : named) names.push_back(name);
      std::sort(names.begin(), names.end());
      for (size_t i = 0; i < names.size(); ++i) says_places = says_places && names[i].size() == 1 && (i == 0 || names[i][0] == names[i - 1][0] + 1);
    }
    const bool equal = !says_places && members_match_in_order(g, a, c);
    c.rule = "tuple";
    if (equal || named.size() != bare.count || named.empty()) return equal;
    std::stable_sort(named.begin(), named.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    std::vector<const Expr*> values;
    for (const auto& [name, value] : named) values.push_back(value);
    const Expr* sorted = c.arena.make(Kind::kList, values);
    const bool by_name = members_match_in_order(g_bare ? *sorted : g, g_bare ? a : *sorted, c);
    c.rule = "tuple";
    return by_name;
  }
  return std::nullopt;
}

}  // namespace foil::verify
