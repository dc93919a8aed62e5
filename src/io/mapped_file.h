// A whole file mapped into memory, read-only.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace foil::io {

// Pages are read when touched; the file must not be truncated while mapped. Movable, not copyable.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);  // throws Error: missing, a folder, no permission
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace foil::io
