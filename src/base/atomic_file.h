// Files that are never half-written: write aside, flush to disk, rename; and append-only files that heal a torn last line.
#pragma once
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace foil {

// Replaces `path` by `contents` in one step. Creates the parent folder. Throws Error (disk full, no permission) and leaves the old file.
void write_file(const std::filesystem::path& path, std::string_view contents);

// The same for large files: `write` gets an open stdio stream.
void write_file(const std::filesystem::path& path, const std::function<void(std::FILE*)>& write);

// Whole file as bytes. Throws Error naming the path.
std::string read_file(const std::filesystem::path& path);

// Append-only file of lines. Opening cuts off a last line without its newline (a writer that was killed).
class LineAppender {
 public:
  explicit LineAppender(const std::filesystem::path& path);
  ~LineAppender();
  LineAppender(const LineAppender&) = delete;
  LineAppender& operator=(const LineAppender&) = delete;
  void append(std::string_view line);  // adds the newline; throws Error on a full disk
  void flush();                        // to the operating system

 private:
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

}  // namespace foil
