#include "objective/statistics.h"

#include <cmath>

#include "base/error.h"

namespace foil::objective {
namespace {

// Elements outside the mask become `neutral`, so that nothing waits for the device to know how many there are.
at::Tensor picked(const at::Tensor& values, const at::Tensor& mask, double neutral) {
  const at::Tensor x = values.detach().to(at::kDouble);
  return mask.defined() ? x.masked_fill(mask.logical_not(), neutral) : x;
}

at::Tensor number_of(const at::Tensor& x, const at::Tensor& mask) {
  return mask.defined() ? mask.sum().to(at::kDouble) : at::full({}, double(x.numel()), x.options());
}

}  // namespace

void Statistics::add(const std::string& name, Entry entry) {
  const auto [it, fresh] = entries_.try_emplace(name, entry);
  if (fresh) return;
  Entry& mine = it->second;
  FOIL_CHECK(mine.kind == entry.kind, "statistic '{}' has two kinds", name);
  entry.value = entry.value.to(mine.value.device());
  entry.weight = entry.weight.to(mine.value.device());
  if (mine.kind == Kind::kMinimum) mine.value = at::minimum(mine.value, entry.value);
  else if (mine.kind == Kind::kMaximum) mine.value = at::maximum(mine.value, entry.value);
  else mine.value = mine.value + entry.value;
  mine.weight = mine.weight + entry.weight;
}

void Statistics::mean(const std::string& name, const at::Tensor& values, const at::Tensor& mask) {
  const at::Tensor x = picked(values, mask, 0);
  add(name, {Kind::kMean, x.sum(), number_of(x, mask)});
}

void Statistics::minimum(const std::string& name, const at::Tensor& values, const at::Tensor& mask) {
  if (values.numel() == 0) return;
  const at::Tensor x = picked(values, mask, INFINITY);
  add(name, {Kind::kMinimum, x.min(), number_of(x, mask)});
}

void Statistics::maximum(const std::string& name, const at::Tensor& values, const at::Tensor& mask) {
  if (values.numel() == 0) return;
  const at::Tensor x = picked(values, mask, -INFINITY);
  add(name, {Kind::kMaximum, x.max(), number_of(x, mask)});
}

void Statistics::sum(const std::string& name, const at::Tensor& values) {
  const at::Tensor x = picked(values, {}, 0);
  add(name, {Kind::kSum, x.sum(), at::ones({}, x.options())});
}

void Statistics::merge(const Statistics& other) {
  for (const auto& [name, entry] : other.entries_) add(name, entry);
}

std::vector<Statistics::Flat> Statistics::flat() const {
  std::vector<Flat> out;
  if (entries_.empty()) return out;
  std::vector<at::Tensor> numbers;  // one wait for the device instead of one per figure
  for (const auto& [name, entry] : entries_) {
    numbers.push_back(entry.value);
    numbers.push_back(entry.weight);
  }
  const at::Tensor all = at::stack(numbers).cpu();
  const double* p = all.const_data_ptr<double>();
  for (const auto& [name, entry] : entries_) {
    out.push_back({name, entry.kind, p[0], p[1]});
    p += 2;
  }
  return out;
}

void Statistics::merge_flat(const std::vector<Flat>& other) {
  for (const auto& x : other)
    add(x.name, {x.kind, at::full({}, x.value, at::kDouble), at::full({}, x.weight, at::kDouble)});
}

std::map<std::string, double> Statistics::values() const {
  std::map<std::string, double> out;
  for (const auto& x : flat()) {
    if (x.weight == 0) continue;
    out[x.name] = x.kind == Kind::kMean ? x.value / x.weight : x.value;
  }
  return out;
}

}  // namespace foil::objective
