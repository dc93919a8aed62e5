// The models of these tests are so small that a second thread only waits; results do not depend on the number.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace {
class OneThread : public testing::Environment {
 public:
  void SetUp() override { at::set_num_threads(1); }
};
[[maybe_unused]] const auto* const kOneThread = testing::AddGlobalTestEnvironment(new OneThread);
}  // namespace
