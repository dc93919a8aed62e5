// Named tensors in one safetensors file, with a checksum of the whole file: for training state and caches.
//
// Models for other programs are written by nn/transformer.h; these files are read back by this program only.
#pragma once
#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <string>

namespace foil::train {

struct FileSeal {        // what a finished file must look like
  uint64_t bytes = 0;
  std::string checksum;  // 16 hexadecimal digits, of every byte
};

// Writes aside, flushes to disk, renames. Tensors may live on any device. Throws Error on a full disk.
FileSeal save_tensors(const std::filesystem::path& path, const std::map<std::string, at::Tensor>& tensors);

// All tensors on the CPU. Throws Error when the file is missing, truncated, or not the one that was sealed.
std::map<std::string, at::Tensor> load_tensors(const std::filesystem::path& path, const FileSeal& seal);

// Fast 64-bit checksum (four multiply-rotate lanes over 8-byte words); detects truncation and flipped bits, not malice.
class Checksum {
 public:
  void add(const void* data, size_t bytes);
  std::string finish() const;

 private:
  void add_word(uint64_t word);
  uint64_t lanes_[4] = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0x27d4eb2f165667c5};
  uint64_t total_ = 0;
  unsigned char rest_[8] = {};
};

}  // namespace foil::train
