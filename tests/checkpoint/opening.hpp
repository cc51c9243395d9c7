// Opens a file that a test has written, and says what must come of it.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "lib/checkpoint/checkpoint.hpp"
#include "tests/checkpoint/gguf_writer.hpp"
#include "tests/checkpoint/memory_files.hpp"

namespace hadal::test {

inline constexpr char kPath[] = "dir/m.gguf";

// Keeps the files alive as long as the checkpoint.
struct Opened {
  MemoryFiles memory;
  absl::StatusOr<std::unique_ptr<Checkpoint>> result = fail(HADAL_E_INTERNAL, "", "");

  bool ok() const { return result.ok(); }
  const Checkpoint& operator*() const { return **result; }
  const Checkpoint* operator->() const { return result->get(); }
};

std::unique_ptr<Opened> open_bytes(std::string bytes, const CheckpointOptions& options = {},
                                   const Log& log = {});
std::unique_ptr<Opened> open_writer(const GgufWriter& writer, const CheckpointOptions& options = {},
                                    const Log& log = {});

// The file is refused with this code, a message that names the file and holds every one of
// `words`, and a hint; and no file stays open.
void expect_refused_bytes(std::string bytes, hadal_status code,
                          std::initializer_list<const char*> words,
                          const CheckpointOptions& options = {});
void expect_refused(const GgufWriter& writer, hadal_status code,
                    std::initializer_list<const char*> words,
                    const CheckpointOptions& options = {});
void expect_is_failure(const absl::Status& status, hadal_status code,
                       std::initializer_list<const char*> words);

// Every record a log was given.
struct Records {
  std::vector<std::string> lines;
  Log log();
};

// A file under tests/.
std::string read_test_file(const std::string& path);

}  // namespace hadal::test
