#include "verify/expr.h"

#include <cstring>
#include <new>

namespace foil::verify {

Arena::~Arena() {
  for (fmpq* q : owned_) {
    fmpz_clear(&q->num);
    fmpz_clear(&q->den);
  }
}

void* Arena::take(size_t bytes) {
  bytes = (bytes + 7) & ~size_t{7};
  if (bytes > left_) {
    const size_t block = bytes > 1024 ? bytes : (blocks_.empty() ? 1024 : 8192);
    blocks_.emplace_back(new char[block]);
    at_ = blocks_.back().get();
    left_ = block;
  }
  void* p = at_;
  at_ += bytes;
  left_ -= bytes;
  return p;
}

Expr* Arena::make(Kind kind) {
  Expr* e = new (take(sizeof(Expr))) Expr;
  e->kind = kind;
  return e;
}

void Arena::set_args(Expr* node, const Expr* const* args, size_t n) {
  auto** copy = static_cast<const Expr**>(take(n * sizeof(Expr*)));
  if (n) std::memcpy(copy, args, n * sizeof(Expr*));
  node->args = copy;
  node->count = static_cast<uint32_t>(n);
}

Expr* Arena::make(Kind kind, const Expr* const* args, size_t n) {
  Expr* e = make(kind);
  set_args(e, args, n);
  return e;
}

void Arena::set_number(Expr* node, const Rational& value) {
  fmpz_init(&node->number.num);
  fmpz_init(&node->number.den);
  fmpz_set(&node->number.num, value.num());
  fmpz_set(&node->number.den, value.den());
  if (COEFF_IS_MPZ(node->number.num) || COEFF_IS_MPZ(node->number.den)) owned_.push_back(&node->number);
}

const Expr* Arena::number(const Rational& value) {
  Expr* e = make(Kind::kNumber);
  set_number(e, value);
  return e;
}

const Expr* Arena::symbol(std::string_view name) {
  Expr* e = make(Kind::kSymbol);
  e->name = copy(name);
  return e;
}

const Expr* Arena::call(Fn fn, std::initializer_list<const Expr*> args) {
  Expr* e = make(Kind::kCall, args.begin(), args.size());
  e->fn = fn;
  return e;
}

std::string_view Arena::copy(std::string_view text) {
  if (text.empty()) return {};
  char* p = static_cast<char*>(take(text.size()));
  std::memcpy(p, text.data(), text.size());
  return {p, text.size()};
}

namespace {
// a and b joined under an n-ary kind, flattening a left operand of the same kind: chains stay shallow.
const Expr* join(Arena& arena, Kind kind, const Expr* a, const Expr* b) {
  if (a->kind != kind) return arena.make(kind, {a, b});
  std::vector<const Expr*> args(a->args, a->args + a->count);
  args.push_back(b);
  return arena.make(kind, args);
}
}  // namespace

const Expr* Arena::add(const Expr* a, const Expr* b) { return join(*this, Kind::kAdd, a, b); }
const Expr* Arena::mul(const Expr* a, const Expr* b) { return join(*this, Kind::kMul, a, b); }
const Expr* Arena::neg(const Expr* a) {
  if (a->is(Kind::kNumber)) {
    Expr* e = make(Kind::kNumber);
    *e = *a;
    set_number(e, -value_of(*a));
    return e;
  }
  return make(Kind::kMul, {number(-1), a});
}
const Expr* Arena::div(const Expr* a, const Expr* b) { return mul(a, pow(b, number(-1))); }

const char* name_of(Fn fn) {
  static const char* const kNames[] = {
      "",     "",     "sin",  "cos",  "tan",  "cot",   "sec",   "csc",   "arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc",
      "sinh", "cosh", "tanh", "coth", "sech", "csch",  "asinh", "acosh", "atanh",  "acoth",  "asech",  "acsch",  "exp",    "ln",
      "log",  "sqrt", "root", "abs",  "floor", "ceil", "factorial", "double_factorial", "binomial", "gamma", "max", "min", "gcd",
      "lcm",  "mod",  "sign", "re",   "im",   "conj",  "arg",   "det",   "norm"};
  return kNames[static_cast<int>(fn)];
}

namespace {

void print(const Expr& e, std::string& out);

void print_all(const Expr& e, std::string& out, const char* separator) {
  for (uint32_t i = 0; i < e.count; ++i) {
    if (i) out += separator;
    print(e[i], out);
  }
}

void print_operand(const Expr& e, std::string& out) {
  const bool atom = (e.is(Kind::kNumber) && value_of(e).is_integer() && value_of(e).sign() >= 0) || e.is(Kind::kSymbol) ||
                    e.is(Kind::kPi) || e.is(Kind::kE) || e.is(Kind::kI) || e.is(Kind::kCall) || e.is(Kind::kTuple) || e.is(Kind::kSet) || e.is(Kind::kInfinity);
  if (!atom) out += '(';
  print(e, out);
  if (!atom) out += ')';
}

const char* relation_text(char op) {
  switch (op) {
    case 'l': return " <= ";
    case 'g': return " >= ";
    case 'n': return " != ";
    case '~': return " ~ ";
    case 'e': return " in ";
    case 'N': return " not in ";
    case 'c': return " subset ";
    case '<': return " < ";
    case '>': return " > ";
    case 'm': return " mod= ";
    default: return " = ";
  }
}

void print(const Expr& e, std::string& out) {
  switch (e.kind) {
    case Kind::kNumber: out += value_of(e).to_string(); return;
    case Kind::kBase: out.append(e.name).append("_").append(std::to_string(e.index)); return;
    case Kind::kLong: out.append(e.name); return;
    case Kind::kSymbol: out.append(e.name); return;
    case Kind::kPi: out += "pi"; return;
    case Kind::kE: out += "e"; return;
    case Kind::kI: out += "i"; return;
    case Kind::kInfinity: out += "oo"; return;
    case Kind::kAdd:
      for (uint32_t i = 0; i < e.count; ++i) {
        const size_t at = out.size();
        if (i) out += " + ";
        const size_t from = out.size();
        if (e[i].is(Kind::kAdd) || e[i].is(Kind::kPlusMinus)) print_operand(e[i], out);
        else print(e[i], out);
        if (i && out[from] == '-') {
          out.erase(from, 1);
          out.replace(at, 3, " - ");
        }
      }
      return;
    case Kind::kMul:
      for (uint32_t i = 0; i < e.count; ++i) {
        const Expr& f = e[i];
        if (i && f.is(Kind::kPow) && f[1].is(Kind::kNumber) && value_of(f[1]) == Rational(-1)) {
          // division: kept apart from a multiplication by a power, so that the text stays a key of the tree
          out += '/';
          print_operand(f[0], out);
        } else if (i == 0 && f.is(Kind::kNumber) && value_of(f) == Rational(-1)) {
          out += '-';
        } else {
          if (i && !(i == 1 && out.back() == '-')) out += "*";
          print_operand(f, out);
        }
      }
      return;
    case Kind::kPow:
      print_operand(e[0], out);
      out += '^';
      print_operand(e[1], out);
      return;
    case Kind::kCall:
      out.append(e.fn == Fn::kUser ? e.name : std::string_view(name_of(e.fn)));
      out += '(';
      print_all(e, out, ", ");
      out += ')';
      return;
    case Kind::kPlusMinus:
      out += e.flag ? "-+" : "+-";
      print_operand(e[0], out);
      return;
    case Kind::kTuple:
      out += e.name.empty() ? '(' : e.name[0];
      print_all(e, out, ", ");
      out += e.name.size() < 2 ? ')' : e.name[1];
      return;
    case Kind::kList: print_all(e, out, ", "); return;
    case Kind::kSet:
      out += '{';
      print_all(e, out, ", ");
      out += '}';
      return;
    case Kind::kUnion: print_all(e, out, " U "); return;
    case Kind::kIntersection: print_all(e, out, " & "); return;
    case Kind::kDifference: print_all(e, out, " \\ "); return;
    case Kind::kMatrix:
      out += "[[";
      for (uint32_t i = 0; i < e.count; ++i) {
        if (i) out += static_cast<int32_t>(i) % e.index == 0 ? "], [" : ", ";
        print(e[i], out);
      }
      out += "]]";
      return;
    case Kind::kRelation:
      for (uint32_t i = 0; i < e.count; ++i) {
        if (i) out += relation_text(e.name[i - 1]);
        print(e[i], out);
      }
      return;
    case Kind::kQuantity:
      print_operand(e[0], out);
      out += ' ';
      if (!value_of(e).is_one()) out.append(value_of(e).to_string()).append("*");
      out.append(e.name);
      return;
    case Kind::kPercent:
      print_operand(e[0], out);
      out += '%';
      return;
    case Kind::kText:
      out += '"';
      out.append(e.name);
      out += '"';
      return;
    case Kind::kTime: {
      const int64_t s = value_of(e).small().value_or(0);
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, "%02d:%02d:%02d", static_cast<int>(s / 3600), static_cast<int>(s / 60 % 60), static_cast<int>(s % 60));
      out += buffer;
      if (!e.index) out += '?';
      return;
    }
    case Kind::kRatio: print_all(e, out, " : "); return;
    case Kind::kChoice:
      out.append("(").append(e.name).append(")");
      if (e.count) {
        out += ' ';
        print(e[0], out);
      }
      return;
    case Kind::kCases:
      out += "cases(";
      print_all(e, out, "; ");
      out += ')';
      return;
    case Kind::kOpaque:
      out.append(e.name).append("(");
      print_all(e, out, "; ");
      out += ')';
      return;
    case Kind::kDate: out += "date " + std::to_string(e.index / 100) + "-" + std::to_string(e.index % 100); return;
  }
}

}  // namespace

std::string to_string(const Expr& e) {
  std::string out;
  print(e, out);
  return out;
}

bool same(const Expr& a, const Expr& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.fn != b.fn || a.count != b.count || a.index != b.index || a.name != b.name) return false;
  if (a.kind == Kind::kPlusMinus && a.flag != b.flag) return false;
  if (!fmpz_equal(&a.number.num, &b.number.num) || !fmpz_equal(&a.number.den, &b.number.den)) return false;
  for (uint32_t i = 0; i < a.count; ++i)
    if (!same(a[i], b[i])) return false;
  return true;
}

}  // namespace foil::verify
