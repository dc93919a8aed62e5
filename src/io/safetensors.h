// The safetensors file format: named tensors behind a JSON header. Reading maps the file; nothing is copied.
//
// Every offset and shape is checked when the file is opened, so a view never points outside it. Little-endian machines only.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/mapped_file.h"

namespace foil::io {

enum class TensorType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };
size_t bytes_of(TensorType type);
const char* name_of(TensorType type);  // the format's spelling: "F32"
std::string shape_text(const std::vector<int64_t>& shape);  // "[576, 1536]"

struct TensorView {
  TensorType type;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // not necessarily aligned
};

class SafetensorsFile {
 public:
  // Throws Error naming the file (and the tensor): truncated, malformed header, overlapping or impossible sizes, unknown type.
  explicit SafetensorsFile(const std::filesystem::path& path);
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct TensorSource {
  std::string name;
  TensorType type;
  std::vector<int64_t> shape;
  // Called once, when its turn to be written comes; the bytes need to live until the next call. Size must be shape × type.
  std::function<std::span<const std::byte>()> data;
  size_t bytes() const;
};

// Writes in the order given, atomically. metadata {"format": "pt"} is what transformers expects.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace foil::io
