// Named figures of a loss for the run log: means and extrema that merge over micro-batches and ranks into exact step figures.
//
// Holds detached 0-dim tensors on the loss's device; values() is the only place that waits for the device.
// Not thread-safe.
#pragma once
#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace foil::objective {

class Statistics {
 public:
  // Mean over the elements of `values` (where `mask`, if given). Merged: weighted by the number of elements.
  void mean(const std::string& name, const at::Tensor& values, const at::Tensor& mask = {});
  void minimum(const std::string& name, const at::Tensor& values, const at::Tensor& mask = {});
  void maximum(const std::string& name, const at::Tensor& values, const at::Tensor& mask = {});
  void sum(const std::string& name, const at::Tensor& values);
  void merge(const Statistics& other);
  std::map<std::string, double> values() const;  // figures over no element are left out

  // For ranks: the entries in name order as numbers; merge_flat() takes another rank's, made from the same names.
  enum class Kind { kMean, kMinimum, kMaximum, kSum };
  struct Flat {
    std::string name;
    Kind kind;
    double value;   // sum, or the extremum
    double weight;  // number of elements
  };
  std::vector<Flat> flat() const;
  void merge_flat(const std::vector<Flat>& other);

 private:
  struct Entry {
    Kind kind;
    at::Tensor value, weight;  // 0-dim f64
  };
  void add(const std::string& name, Entry entry);
  std::map<std::string, Entry> entries_;
};

}  // namespace foil::objective
