// Scalars as a TensorBoard event file: TFRecord frames (length and data with masked CRC-32C) of Event protocol buffers.
//
// Written whole or appended to; nothing here reads them back. Not thread-safe.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/atomic_file.h"

namespace foil::io {

uint32_t crc32c(std::string_view bytes);

// One TFRecord frame around `data`.
std::string tf_record(std::string_view data);
// The first event of every file.
std::string tf_version_event(double wall_time);
std::string tf_scalar_event(double wall_time, int64_t step, std::string_view tag, float value);

// Appends events to FOLDER/events.out.tfevents.foil. The file is started anew.
class EventWriter {
 public:
  EventWriter(const std::filesystem::path& folder, double wall_time);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  void scalar(double wall_time, int64_t step, std::string_view tag, double value);
  void flush();  // throws Error on a full disk

 private:
  void put(const std::string& event);
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

}  // namespace foil::io
