#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil::io {

namespace {

struct TypeName {
  TensorType type;
  const char* name;
  size_t bytes;
};
constexpr TypeName kTypes[] = {{TensorType::kF64, "F64", 8}, {TensorType::kF32, "F32", 4}, {TensorType::kF16, "F16", 2}, {TensorType::kBF16, "BF16", 2},
                               {TensorType::kI64, "I64", 8}, {TensorType::kI32, "I32", 4}, {TensorType::kI16, "I16", 2}, {TensorType::kI8, "I8", 1},
                               {TensorType::kU8, "U8", 1},   {TensorType::kBool, "BOOL", 1}};

const TypeName& entry(TensorType type) { return kTypes[size_t(type)]; }

size_t volume(const std::vector<int64_t>& shape, TensorType type, const std::string& where) {
  size_t n = bytes_of(type);
  for (int64_t side : shape) n = checked_multiply(n, size_t(side), where);
  return n;
}

constexpr size_t kMaxHeader = 100'000'000;  // the reference implementation's limit

}  // namespace

size_t bytes_of(TensorType type) { return entry(type).bytes; }
const char* name_of(TensorType type) { return entry(type).name; }

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const auto bytes = file_.bytes();
  const std::string where = path.string();
  const char* broken = "the download may be incomplete, or this is a Git LFS pointer";
  if (bytes.size() < 8) throw Error(fmt::format("not a safetensors file: {} bytes", bytes.size()), where, broken);
  uint64_t header_size;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > kMaxHeader || header_size > bytes.size() - 8)
    throw Error(fmt::format("not a safetensors file: a header of {} bytes in a file of {}", header_size, bytes.size()), where, broken);
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  const auto data = bytes.subspan(8 + size_t(header_size));
  const auto header = nlohmann::json::parse(text, text + header_size, nullptr, false);
  if (!header.is_object()) throw Error("the safetensors header is not JSON", where, broken);
  std::vector<std::pair<size_t, size_t>> ranges;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      if (value.is_object())
        for (const auto& [key, text] : value.items())
          if (text.is_string()) metadata_[key] = text.get<std::string>();
      continue;
    }
    const std::string here = where + ": " + name;
    TensorView view{};
    uint64_t begin = 0, end = 0;
    try {
      const auto type = value.at("dtype").get<std::string>();
      const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& t) { return type == t.name; });
      if (found == std::end(kTypes)) throw Error(fmt::format("tensor type {} is not supported", type), here, "supported: F64 F32 F16 BF16 and integers");
      view.type = found->type;
      for (const auto& side : value.at("shape")) {
        if (!side.is_number_unsigned()) throw Error("malformed shape", here);
        view.shape.push_back(side.get<int64_t>());
        if (view.shape.back() < 0) throw Error("malformed shape", here);
      }
      begin = value.at("data_offsets").at(0).get<uint64_t>(), end = value.at("data_offsets").at(1).get<uint64_t>();
    } catch (const nlohmann::json::exception& e) {
      throw Error("malformed entry in the safetensors header", here, broken);
    }
    if (begin > end || end > data.size())
      throw Error(fmt::format("bytes {} to {} lie outside the file's {} bytes of data", begin, end, data.size()), here, broken);
    if (end - begin != volume(view.shape, view.type, here))
      throw Error(fmt::format("{} bytes for a {} tensor of shape {}", end - begin, name_of(view.type), shape_text(view.shape)), here);
    view.data = data.subspan(begin, end - begin);
    if (begin < end) ranges.emplace_back(begin, end);
    tensors_.emplace(name, std::move(view));
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) throw Error("two tensors overlap", where);
}

size_t TensorSource::bytes() const { return volume(shape, type, name); }

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  for (const TensorSource& t : tensors) {
    const size_t end = checked_add(offset, t.bytes(), t.name);
    header[t.name] = {{"dtype", name_of(t.type)}, {"shape", t.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data starts aligned
  write_file(path, [&](std::FILE* file) {
    const uint64_t size = text.size();
    std::fwrite(&size, 1, 8, file);
    std::fwrite(text.data(), 1, text.size(), file);
    for (const TensorSource& t : tensors) {
      const auto bytes = t.data();
      FOIL_CHECK(bytes.size() == t.bytes(), "{}: {} bytes, expected {}", t.name, bytes.size(), t.bytes());
      if (!bytes.empty()) std::fwrite(bytes.data(), 1, bytes.size(), file);
    }
  });
}

}  // namespace foil::io
