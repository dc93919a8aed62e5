#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace foil {
namespace fs = std::filesystem;

[[noreturn]] static void fail(const fs::path& path, const char* doing) {
  const int code = errno;
  throw Error(fmt::format("cannot {}: {}", doing, std::strerror(code)), path.string(),
              code == ENOSPC   ? "free some disk space and run the same command again: finished work is kept"
              : code == EACCES ? "check the permissions of the file and its folder"
              : code == ENOENT ? "check the path"
                               : "");
}

void write_file(const fs::path& path, const std::function<void(std::FILE*)>& write) {
  if (path.has_parent_path()) {
    std::error_code ec;
    fs::create_directories(path.parent_path(), ec);
    if (ec) throw Error("cannot create the folder: " + ec.message(), path.parent_path().string());
  }
  if (std::error_code ec; fs::exists(path, ec) && !fs::is_regular_file(path, ec)) {  // a pipe or a device is written to, never replaced
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file) fail(path, "write");
    try {
      write(file);
    } catch (...) {
      std::fclose(file);
      throw;
    }
    if (std::fclose(file) != 0) fail(path, "write");
    return;
  }
  const fs::path aside = path.string() + fmt::format(".tmp{}", getpid());
  std::FILE* file = std::fopen(aside.c_str(), "wb");
  if (!file) fail(path, "write");
  try {
    write(file);
    if (std::fflush(file) != 0 || std::ferror(file) || fsync(fileno(file)) != 0) fail(path, "write");
  } catch (...) {
    std::fclose(file);
    unlink(aside.c_str());
    throw;
  }
  std::fclose(file);
  if (std::rename(aside.c_str(), path.c_str()) != 0) {
    unlink(aside.c_str());
    fail(path, "rename into place");
  }
}

void write_file(const fs::path& path, std::string_view contents) {
  write_file(path, [&](std::FILE* file) {
    if (!contents.empty() && std::fwrite(contents.data(), 1, contents.size(), file) != contents.size()) fail(path, "write");
  });
}

std::string read_file(const fs::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) fail(path, "open");
  std::string out;
  char buffer[1 << 16];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, file)) > 0) out.append(buffer, n);
  const bool bad = std::ferror(file);
  std::fclose(file);
  if (bad) fail(path, "read");
  return out;
}

LineAppender::LineAppender(const fs::path& path) : path_(path) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  if (fs::is_regular_file(path)) {
    const auto size = fs::file_size(path);
    std::FILE* in = std::fopen(path.c_str(), "rb");
    if (!in) fail(path, "open");
    long keep = long(size);
    while (keep > 0) {
      std::fseek(in, keep - 1, SEEK_SET);
      if (std::fgetc(in) == '\n') break;
      --keep;
    }
    std::fclose(in);
    if (uintmax_t(keep) != size) fs::resize_file(path, keep);
  }
  file_ = std::fopen(path.c_str(), "ab");
  if (!file_) fail(path, "open for appending");
}

LineAppender::~LineAppender() {
  if (file_) std::fclose(file_);
}

void LineAppender::append(std::string_view line) {
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fputc('\n', file_) == EOF) fail(path_, "append");
}

void LineAppender::flush() {
  if (std::fflush(file_) != 0) fail(path_, "append");
}

}  // namespace foil
