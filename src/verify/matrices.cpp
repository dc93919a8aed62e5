#include "verify/matrices.h"

#include <vector>

#include "verify/collections.h"

namespace foil::verify {

namespace {

const Expr* matrix_value(const Expr& e, Comparison& c) {
  if (e.is(Kind::kMatrix)) return &e;
  if (e.is(Kind::kAdd) || e.is(Kind::kMul)) {
    const Expr* acc = nullptr;
    const Expr* scale = nullptr;
    for (uint32_t i = 0; i < e.count; ++i) {
      const Expr* m = matrix_value(e[i], c);
      if (!m) {
        if (!e.is(Kind::kMul) || !is_scalar(e[i])) return nullptr;
        scale = scale ? c.arena.mul(scale, &e[i]) : &e[i];
        continue;
      }
      if (!acc) {
        acc = m;
        continue;
      }
      std::vector<const Expr*> cells;
      const auto ac = static_cast<uint32_t>(acc->index), mc = static_cast<uint32_t>(m->index);
      if (e.is(Kind::kAdd)) {
        if (acc->count != m->count || ac != mc) return nullptr;
        for (uint32_t k = 0; k < m->count; ++k) cells.push_back(c.arena.add(acc->args[k], m->args[k]));
      } else {
        const uint32_t rows = acc->count / ac, inner = m->count / mc;
        if (inner != ac || rows * mc > 400) return nullptr;
        for (uint32_t r = 0; r < rows; ++r)
          for (uint32_t k = 0; k < mc; ++k) {
            std::vector<const Expr*> terms;
            for (uint32_t j = 0; j < ac; ++j) terms.push_back(c.arena.mul(acc->args[r * ac + j], m->args[j * mc + k]));
            cells.push_back(terms.size() == 1 ? terms[0] : c.arena.make(Kind::kAdd, terms));
          }
      }
      Expr* out = c.arena.make(Kind::kMatrix, cells.data(), cells.size());
      out->index = static_cast<int32_t>(mc);
      acc = out;
    }
    if (acc && scale) {
      std::vector<const Expr*> cells;
      for (uint32_t k = 0; k < acc->count; ++k) cells.push_back(c.arena.mul(scale, acc->args[k]));
      Expr* out = c.arena.make(Kind::kMatrix, cells.data(), cells.size());
      out->index = acc->index;
      acc = out;
    }
    return acc;
  }
  return nullptr;
}

}  // namespace

const Expr* components(const Expr& e, uint32_t size, Comparison& c) {
  std::vector<const Expr*> at(3, nullptr);
  const auto axis = [](const Expr& x) {
    if (x.is(Kind::kI)) return 0;
    if (!x.is(Kind::kSymbol)) return -1;
    const std::string_view n = x.name;
    return n == "i" || n == "hat i" || n == "vec i" ? 0 : n == "j" || n == "hat j" || n == "vec j" ? 1 : n == "k" || n == "hat k" || n == "vec k" ? 2 : -1;
  };
  bool beyond_i = false;
  const auto term = [&](auto&& self, const Expr& x, bool negative) -> bool {
    if (x.is(Kind::kAdd)) {
      for (uint32_t i = 0; i < x.count; ++i)
        if (!self(self, x[i], negative)) return false;
      return true;
    }
    const Expr* factor = c.arena.number(negative ? -1 : 1);
    int which = axis(x);
    if (which < 0) {
      if (!x.is(Kind::kMul)) return false;
      for (uint32_t i = 0; i < x.count; ++i) {
        const int a = axis(x[i]);
        if (a >= 0 && which < 0) {
          which = a;
        } else if (x.count == 2 && i == 1 && which < 0 && (x[i].is(Kind::kMul) || x[i].is(Kind::kAdd)) && x[0].is(Kind::kNumber) && value_of(x[0]) == Rational(-1)) {
          return self(self, x[i], !negative);
        } else {
          factor = c.arena.mul(factor, &x[i]);
        }
      }
      if (which < 0) return false;
    }
    beyond_i = beyond_i || which > 0;
    at[static_cast<size_t>(which)] = at[static_cast<size_t>(which)] ? c.arena.add(at[static_cast<size_t>(which)], factor) : factor;
    return true;
  };
  if (!e.is(Kind::kAdd) || !term(term, e, false) || !beyond_i || (size == 2 && at[2])) return nullptr;
  at.resize(size);
  for (const Expr*& x : at)
    if (!x) x = c.arena.number(0);
  return c.arena.make(Kind::kList, at);
}

std::optional<bool> compare_matrices(const Expr& g, const Expr& a, Comparison& c) {
  const Expr* x = matrix_value(g, c);
  const Expr* y = matrix_value(a, c);
  if (!x && !y) return std::nullopt;
  c.rule = "matrix";
  if (x && y) {
    if (x->count != y->count || x->index != y->index) {
      c.note = "different shapes";
      return false;
    }
    const bool equal = members_match_in_order(*x, *y, c);
    c.rule = "matrix";
    return equal;
  }
  // a column or row against (1, 2, 3) or 1, 2, 3
  const Expr& m = x ? *x : *y;
  const Expr& other = x ? a : g;
  if ((m.index == 1 || static_cast<uint32_t>(m.index) == m.count) && (other.is(Kind::kTuple) || other.is(Kind::kList)) && !half_open(other)) {
    const bool equal = x ? members_match_in_order(m, other, c) : members_match_in_order(other, m, c);
    c.rule = "vector";
    return equal;
  }
  // [[1, 2], [3, 4]]: rows in brackets
  if (other.is(Kind::kTuple) && other.count > 0) {
    std::vector<const Expr*> cells;
    for (uint32_t i = 0; i < other.count; ++i) {
      if (!other[i].is(Kind::kTuple) || other[i].count != static_cast<uint32_t>(m.index)) return false;
      cells.insert(cells.end(), other[i].args, other[i].args + other[i].count);
    }
    if (cells.size() != m.count) return false;
    const Expr* rows = c.arena.make(Kind::kMatrix, cells);
    const bool equal = x ? members_match_in_order(m, *rows, c) : members_match_in_order(*rows, m, c);
    c.rule = "matrix";
    return equal;
  }
  if (const Expr* v = m.index == 1 && m.count >= 2 && m.count <= 3 ? components(other, m.count, c) : nullptr) {
    const bool equal = x ? members_match_in_order(m, *v, c) : members_match_in_order(*v, m, c);
    c.rule = "vector";
    return equal;
  }
  if (m.count == 1) return equal_answers(x ? m[0] : g, x ? a : m[0], c);
  return false;
}

}  // namespace foil::verify
