#include "io/tfevents.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace foil::io {
namespace fs = std::filesystem;

namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr auto kTable = make_table();

uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

template <class T>
void little(std::string& out, T x) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&x), sizeof x);
}

void varint(std::string& out, uint64_t x) {
  for (; x >= 0x80; x >>= 7) out += char(x | 0x80);
  out += char(x);
}

void field_bytes(std::string& out, int number, std::string_view bytes) {
  out += char(number << 3 | 2);
  varint(out, bytes.size());
  out += bytes;
}

std::string event_at(double wall_time, int64_t step) {
  std::string out;
  out += char(1 << 3 | 1);  // wall_time: double
  little(out, wall_time);
  if (step != 0) {
    out += char(2 << 3 | 0);  // step: int64
    varint(out, uint64_t(step));
  }
  return out;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t c = ~0u;
  for (const unsigned char b : bytes) c = kTable[(c ^ b) & 0xff] ^ (c >> 8);
  return ~c;
}

std::string tf_record(std::string_view data) {
  std::string out;
  little(out, uint64_t(data.size()));
  little(out, masked(crc32c(out)));
  out += data;
  little(out, masked(crc32c(data)));
  return out;
}

std::string tf_version_event(double wall_time) {
  std::string out = event_at(wall_time, 0);
  field_bytes(out, 3, "brain.Event:2");
  return out;
}

std::string tf_scalar_event(double wall_time, int64_t step, std::string_view tag, float value) {
  std::string entry, summary;
  field_bytes(entry, 1, tag);
  entry += char(2 << 3 | 5);  // simple_value: float
  little(entry, value);
  field_bytes(summary, 1, entry);
  std::string out = event_at(wall_time, step);
  field_bytes(out, 5, summary);
  return out;
}

EventWriter::EventWriter(const fs::path& folder, double wall_time) : path_(folder / "events.out.tfevents.foil") {
  fs::create_directories(folder);
  file_ = std::fopen(path_.c_str(), "wb");
  if (!file_) throw Error(fmt::format("cannot write: {}", std::strerror(errno)), path_.string());
  put(tf_version_event(wall_time));
}

EventWriter::~EventWriter() {
  if (file_) std::fclose(file_);
}

void EventWriter::put(const std::string& event) {
  const std::string frame = tf_record(event);
  if (std::fwrite(frame.data(), 1, frame.size(), file_) != frame.size()) throw Error(fmt::format("cannot write: {}", std::strerror(errno)), path_.string(), "free some disk space");
}

void EventWriter::scalar(double wall_time, int64_t step, std::string_view tag, double value) { put(tf_scalar_event(wall_time, step, tag, float(value))); }

void EventWriter::flush() {
  if (std::fflush(file_) != 0) throw Error(fmt::format("cannot write: {}", std::strerror(errno)), path_.string(), "free some disk space");
}

}  // namespace foil::io
