// What the tests of this room share: golden files, options from JSON, and gradients by central differences in f64.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace foil::objective {

inline nlohmann::json golden(const std::string& name) {
  std::ifstream in("tests/golden/objective/" + name + ".json");
  EXPECT_TRUE(in.good()) << "run from the repository root";
  return nlohmann::json::parse(in);
}

inline at::Tensor floats(const nlohmann::json& j) { return at::tensor(j.get<std::vector<double>>(), at::kDouble).to(at::kFloat); }
inline at::Tensor doubles(const std::vector<double>& x) { return at::tensor(x, at::kDouble); }
inline at::Tensor longs(const std::vector<int64_t>& x) { return at::tensor(x, at::kLong); }
inline at::Tensor bools(const std::vector<bool>& x) { return at::tensor(std::vector<int64_t>(x.begin(), x.end()), at::kLong).to(at::kBool); }
inline at::Tensor leaf(const at::Tensor& x) { return x.detach().clone().requires_grad_(true); }

inline at::Tensor gradient(const at::Tensor& loss, const at::Tensor& x) {
  if (loss.requires_grad()) loss.backward();  // sft does not look at the rejected
  return x.grad().defined() ? x.grad() : at::zeros_like(x);
}

inline void expect_close(const at::Tensor& got, const at::Tensor& expected, double relative, double absolute, const std::string& what) {
  ASSERT_EQ(got.sizes(), expected.sizes()) << what;
  const at::Tensor a = got.detach().to(at::kDouble).contiguous().reshape({-1}), b = expected.detach().to(at::kDouble).contiguous().reshape({-1});
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double x = a[i].item<double>(), y = b[i].item<double>();
    ASSERT_NEAR(x, y, absolute + relative * std::abs(y)) << what << ", element " << i;
  }
}

// Gradient of f at x (f64) against central differences.
inline void expect_gradient(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& x, const std::string& what, double tolerance = 2e-6) {
  ASSERT_EQ(x.scalar_type(), at::kDouble) << what;
  const at::Tensor v = leaf(x);
  const at::Tensor analytic = gradient(f(v), v);
  const double h = 1e-6;
  at::Tensor numeric = at::zeros_like(x).reshape({-1});
  for (int64_t i = 0; i < x.numel(); ++i) {
    at::Tensor up = x.detach().clone(), down = x.detach().clone();
    up.reshape({-1})[i] += h;
    down.reshape({-1})[i] -= h;
    numeric[i] = (f(up).detach() - f(down).detach()).item<double>() / (2 * h);
  }
  expect_close(analytic, numeric.reshape(x.sizes()), tolerance, tolerance, what);
}

// Fills an options struct from a flat JSON object by its field list; a name that is no field fails the test.
class FromJson {
 public:
  explicit FromJson(const nlohmann::json& j) : j_(j) {}
  template <class T>
  void operator()(const char* name, T& field, const char*) {
    if (!j_.contains(name)) return;
    ++used_;
    assign(j_.at(name), field);
  }
  bool used_all() const { return used_ == j_.size(); }

 private:
  template <class T>
  void assign(const nlohmann::json& value, std::optional<T>& field) {
    field.emplace();
    assign(value, *field);
  }
  template <class T>
  void assign(const nlohmann::json& value, T& field) {
    if constexpr (std::is_enum_v<T>) {
      bool found = false;
      for (const auto& [e, text] : enum_names(T{}))
        if (value == text) field = e, found = true;
      EXPECT_TRUE(found) << value;
    } else {
      field = value.template get<T>();
    }
  }
  const nlohmann::json& j_;
  size_t used_ = 0;
};

template <class T>
T options_from(const nlohmann::json& j) {
  T options;
  FromJson reader(j);
  options.visit(reader);
  EXPECT_TRUE(reader.used_all()) << j;
  return options;
}

}  // namespace foil::objective
