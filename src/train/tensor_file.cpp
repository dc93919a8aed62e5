#include "train/tensor_file.h"

#include <bit>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil::train {
namespace fs = std::filesystem;

namespace {

const std::pair<at::ScalarType, const char*> kTypes[] = {{at::kFloat, "F32"}, {at::kBFloat16, "BF16"}, {at::kHalf, "F16"}, {at::kDouble, "F64"},
                                                         {at::kLong, "I64"},  {at::kInt, "I32"},       {at::kByte, "U8"}};

struct Closer {
  void operator()(std::FILE* f) const { std::fclose(f); }
};

[[noreturn]] void damaged(const fs::path& path, const std::string& what) {
  throw Error(what, path.string(), "the file was damaged after it was written (disk, copy cut short): remove its folder to go on from an older checkpoint or from the start");
}

}  // namespace

void Checksum::add_word(uint64_t word) {
  uint64_t& lane = lanes_[(total_ / 8) % 4];
  lane = std::rotl(lane ^ (word * 0xc2b2ae3d27d4eb4f), 31) * 0x9e3779b97f4a7c15;
}

void Checksum::add(const void* data, size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(data);
  while (bytes > 0 && total_ % 8 != 0) {
    rest_[total_ % 8] = *p++, --bytes;
    if (total_ % 8 == 7) {
      uint64_t word;
      std::memcpy(&word, rest_, 8);
      total_ -= 7;
      add_word(word);
      total_ += 7;
    }
    ++total_;
  }
  for (; bytes >= 8; p += 8, bytes -= 8, total_ += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    add_word(word);
  }
  for (; bytes > 0; --bytes, ++total_) rest_[total_ % 8] = *p++;
}

std::string Checksum::finish() const {
  uint64_t h = total_;
  const auto stir = [&](uint64_t x) { h = std::rotl(h ^ (x * 0xc2b2ae3d27d4eb4f), 29) * 0x9e3779b97f4a7c15; };
  for (const uint64_t lane : lanes_) stir(lane);
  for (uint64_t i = 0; i < total_ % 8; ++i) stir(rest_[i] + 1);
  return fmt::format("{:016x}", h ^ (h >> 32));
}

FileSeal save_tensors(const fs::path& path, const std::map<std::string, at::Tensor>& tensors) {
  auto header = nlohmann::json::object();
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const char* type = nullptr;
    for (const auto& [scalar, text] : kTypes)
      if (scalar == tensor.scalar_type()) type = text;
    FOIL_CHECK(type, "{} has a type that cannot be saved", name);
    const uint64_t bytes = uint64_t(tensor.numel()) * tensor.element_size();
    header[name] = {{"dtype", type}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  Checksum sum;
  FileSeal seal;
  write_file(path, [&](std::FILE* file) {
    const auto put = [&](const void* data, size_t bytes) {
      sum.add(data, bytes);
      seal.bytes += bytes;
      std::fwrite(data, 1, bytes, file);  // write_file checks the stream's error state
    };
    const uint64_t length = text.size();
    put(&length, 8);
    put(text.data(), text.size());
    for (const auto& [name, tensor] : tensors) {
      const at::Tensor plain = tensor.detach().cpu().contiguous();
      if (plain.numel() > 0) put(plain.const_data_ptr(), size_t(plain.numel()) * plain.element_size());
    }
  });
  seal.checksum = sum.finish();
  return seal;
}

std::map<std::string, at::Tensor> load_tensors(const fs::path& path, const FileSeal& seal) {
  std::error_code ec;
  const uint64_t size = fs::file_size(path, ec);
  if (ec) throw Error("cannot open: " + ec.message(), path.string());
  if (size != seal.bytes) damaged(path, fmt::format("expected {} bytes, found {}", seal.bytes, size));
  const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rb"));
  if (!file) throw Error("cannot open", path.string());
  Checksum sum;
  const auto get = [&](void* data, size_t bytes) {
    if (std::fread(data, 1, bytes, file.get()) != bytes) damaged(path, "the file ends early");
    sum.add(data, bytes);
  };
  uint64_t length = 0;
  get(&length, 8);
  if (length > size - 8) damaged(path, "the header is longer than the file");
  std::string text(length, '\0');
  get(text.data(), length);
  const auto header = nlohmann::json::parse(text, nullptr, false);
  if (!header.is_object()) damaged(path, "the header is not readable");
  std::multimap<uint64_t, std::pair<std::string, at::Tensor>> by_offset;  // empty tensors share an offset
  uint64_t expected = 0;
  try {
    for (const auto& [name, entry] : header.items()) {
      at::ScalarType type = at::kFloat;
      for (const auto& [scalar, spelling] : kTypes)
        if (entry.at("dtype") == spelling) type = scalar;
      const auto shape = entry.at("shape").get<std::vector<int64_t>>();
      uint64_t bytes = c10::elementSize(type);
      for (const int64_t n : shape) bytes = checked_multiply(bytes, size_t(n), path.string());
      if (bytes > size) damaged(path, fmt::format("tensor {} is larger than the file", name));
      by_offset.insert({entry.at("data_offsets").at(0).get<uint64_t>(), {name, at::empty(shape, type)}});
    }
  } catch (const nlohmann::json::exception&) {
    damaged(path, "the header is not readable");
  }
  std::map<std::string, at::Tensor> out;
  for (auto& [offset, named] : by_offset) {
    if (named.second.numel() == 0) {
      out.insert(std::move(named));
      continue;
    }
    if (offset != expected) damaged(path, fmt::format("tensor {} does not start where the one before it ends", named.first));
    const size_t bytes = size_t(named.second.numel()) * named.second.element_size();
    get(named.second.mutable_data_ptr(), bytes);
    expected += bytes;
    out.insert(std::move(named));
  }
  if (sum.finish() != seal.checksum) damaged(path, fmt::format("checksum {} expected, {} found", seal.checksum, sum.finish()));
  return out;
}

}  // namespace foil::train
