#include "io/gguf.h"

#include <bit>
#include <cstring>

#include "base/error.h"

namespace foil::io {

namespace {

const char* kBroken = "the download may be incomplete";

// Reads little-endian fields from the mapped bytes, never past their end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  size_t position() const { return at_; }
  std::span<const std::byte> take(size_t n) {
    if (n > bytes_.size() - at_) throw Error(fmt::format("truncated GGUF file: {} more bytes expected at byte {} of {}", n, at_, bytes_.size()), where_, kBroken);
    at_ += n;
    return bytes_.subspan(at_ - n, n);
  }
  template <class T> T number() {
    T v;
    std::memcpy(&v, take(sizeof v).data(), sizeof v);
    return v;
  }
  std::string string() {
    const auto n = number<uint64_t>();
    const auto bytes = take(n);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  size_t left() const { return bytes_.size() - at_; }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  std::string where_;
};

enum Kind : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

bool is_integer(uint32_t kind) { return kind <= kI32 || kind == kU64 || kind == kI64; }
bool is_float(uint32_t kind) { return kind == kF32 || kind == kF64; }

int64_t read_integer(Cursor& c, uint32_t kind, const std::string& where) {
  switch (kind) {
    case kU8: return c.number<uint8_t>();
    case kI8: return c.number<int8_t>();
    case kU16: return c.number<uint16_t>();
    case kI16: return c.number<int16_t>();
    case kU32: return c.number<uint32_t>();
    case kI32: return c.number<int32_t>();
    case kI64: return c.number<int64_t>();
    default: {
      const auto v = c.number<uint64_t>();
      if (v > uint64_t(INT64_MAX)) throw Error("number too large", where);
      return int64_t(v);
    }
  }
}

double read_float(Cursor& c, uint32_t kind) { return kind == kF32 ? double(c.number<float>()) : c.number<double>(); }

GgufValue read_value(Cursor& c, uint32_t kind, const std::string& where) {
  if (is_integer(kind)) return read_integer(c, kind, where);
  if (is_float(kind)) return read_float(c, kind);
  if (kind == kBool) return c.number<uint8_t>() != 0;
  if (kind == kString) return c.string();
  if (kind != kArray) throw Error(fmt::format("unknown value type {}", kind), where, kBroken);
  const auto item = c.number<uint32_t>();
  const auto n = c.number<uint64_t>();
  if (n > c.left()) throw Error(fmt::format("an array of {} items in {} bytes", n, c.left()), where, kBroken);
  auto fill = [&](auto list, auto&& read) -> GgufValue {
    list.reserve(n);
    for (uint64_t i = 0; i < n; ++i) list.push_back(read());
    return list;
  };
  if (is_integer(item)) return fill(std::vector<int64_t>(), [&] { return read_integer(c, item, where); });
  if (is_float(item)) return fill(std::vector<double>(), [&] { return read_float(c, item); });
  if (item == kBool) return fill(std::vector<bool>(), [&] { return c.number<uint8_t>() != 0; });
  if (item == kString) return fill(std::vector<std::string>(), [&] { return c.string(); });
  throw Error(fmt::format("arrays of value type {} are not supported", item), where);
}

}  // namespace

int64_t GgufTensor::elements() const {
  int64_t n = 1;
  for (int64_t side : shape) n *= side;
  return n;
}

GgufFile::GgufFile(const std::filesystem::path& path) : path_(path.string()), file_(path) {
  const auto bytes = file_.bytes();
  Cursor c(bytes, path_);
  if (bytes.size() < 24 || std::memcmp(bytes.data(), "GGUF", 4) != 0) throw Error("not a GGUF file", path_, kBroken);
  c.take(4);
  const auto version = c.number<uint32_t>();
  if (version != 2 && version != 3) throw Error(fmt::format("GGUF version {} is not supported", version), path_, "supported: 2 and 3, little-endian");
  const auto tensor_count = c.number<uint64_t>(), value_count = c.number<uint64_t>();
  for (uint64_t i = 0; i < value_count; ++i) {
    const std::string key = c.string();
    const auto kind = c.number<uint32_t>();
    metadata_[key] = read_value(c, kind, path_ + ": " + key);
  }
  struct Place {
    std::string name;
    GgufTensor tensor;
    uint64_t offset;
  };
  std::vector<Place> places;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    Place p;
    p.name = c.string();
    const std::string here = path_ + ": " + p.name;
    const auto sides = c.number<uint32_t>();
    if (sides > 8) throw Error(fmt::format("a tensor of {} dimensions", sides), here, kBroken);
    for (uint32_t s = 0; s < sides; ++s) {
      const int64_t side = read_integer(c, kU64, here);
      p.tensor.shape.insert(p.tensor.shape.begin(), side);
    }
    p.tensor.type = GgmlType(c.number<uint32_t>());
    try {
      block_elements(p.tensor.type);
    } catch (const Error& e) {
      throw Error(e.message(), here, e.hint());
    }
    p.offset = c.number<uint64_t>();
    places.push_back(std::move(p));
  }
  const int64_t alignment = integer("general.alignment").value_or(32);
  if (alignment <= 0 || alignment > (1 << 20) || !std::has_single_bit(uint64_t(alignment)))
    throw Error(fmt::format("impossible alignment {}", alignment), path_, kBroken);
  const size_t start = std::min(bytes.size(), (c.position() + size_t(alignment) - 1) / size_t(alignment) * size_t(alignment));
  const auto data = bytes.subspan(start);
  for (Place& p : places) {
    const std::string here = path_ + ": " + p.name;
    size_t elements = 1;
    for (int64_t side : p.tensor.shape) elements = checked_multiply(elements, size_t(side), here);
    const auto per_block = size_t(block_elements(p.tensor.type));
    if (p.tensor.shape.empty() || size_t(p.tensor.shape.back()) % per_block != 0)
      throw Error(fmt::format("rows are no whole {} blocks", name_of(p.tensor.type)), here, kBroken);
    const size_t size = checked_multiply(elements / per_block, block_bytes(p.tensor.type), here);
    if (p.offset > data.size() || size > data.size() - p.offset)
      throw Error(fmt::format("truncated GGUF file: the tensor needs bytes {} to {} of {}", p.offset, p.offset + size, data.size()), here, kBroken);
    p.tensor.data = data.subspan(p.offset, size);
    if (!tensors_.emplace(p.name, std::move(p.tensor)).second) throw Error("the tensor appears twice", here, kBroken);
  }
}

template <class T> const T* GgufFile::get(const std::string& key, const char* expected) const {
  const auto it = metadata_.find(key);
  if (it == metadata_.end()) return nullptr;
  const T* value = std::get_if<T>(&it->second);
  if (!value) throw Error(fmt::format("expected {}", expected), path_ + ": " + key);
  return value;
}

std::optional<std::string> GgufFile::string(const std::string& key) const {
  const auto* v = get<std::string>(key, "a string");
  return v ? std::optional(*v) : std::nullopt;
}
std::optional<int64_t> GgufFile::integer(const std::string& key) const {
  const auto* v = get<int64_t>(key, "a whole number");
  return v ? std::optional(*v) : std::nullopt;
}
std::optional<double> GgufFile::number(const std::string& key) const {
  const auto it = metadata_.find(key);
  if (it != metadata_.end() && std::holds_alternative<int64_t>(it->second)) return double(std::get<int64_t>(it->second));
  const auto* v = get<double>(key, "a number");
  return v ? std::optional(*v) : std::nullopt;
}
std::optional<bool> GgufFile::boolean(const std::string& key) const {
  const auto* v = get<bool>(key, "true or false");
  return v ? std::optional(*v) : std::nullopt;
}
const std::vector<std::string>* GgufFile::strings(const std::string& key) const { return get<std::vector<std::string>>(key, "a list of strings"); }
const std::vector<int64_t>* GgufFile::integers(const std::string& key) const { return get<std::vector<int64_t>>(key, "a list of whole numbers"); }
const std::vector<double>* GgufFile::numbers(const std::string& key) const { return get<std::vector<double>>(key, "a list of numbers"); }

}  // namespace foil::io
