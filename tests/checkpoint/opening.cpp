#include "tests/checkpoint/opening.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <utility>

namespace hadal::test {

std::unique_ptr<Opened> open_bytes(std::string bytes, const CheckpointOptions& options,
                                   const Log& log) {
  auto opened = std::make_unique<Opened>();
  opened->memory.put(kPath, std::move(bytes));
  opened->result = open_checkpoint(opened->memory.files(), kPath, options, log);
  return opened;
}

std::unique_ptr<Opened> open_writer(const GgufWriter& writer, const CheckpointOptions& options,
                                    const Log& log) {
  return open_bytes(writer.bytes(), options, log);
}

void expect_is_failure(const absl::Status& status, hadal_status code,
                       std::initializer_list<const char*> words) {
  const std::string message = message_of(status);
  EXPECT_STREQ(status_name(code_of(status)), status_name(code)) << message;
  for (const char* word : words) EXPECT_THAT(message, testing::HasSubstr(word));
  EXPECT_GT(hint_of(status).size(), 10u) << message;
}

void expect_refused_bytes(std::string bytes, hadal_status code,
                          std::initializer_list<const char*> words,
                          const CheckpointOptions& options) {
  const std::unique_ptr<Opened> opened = open_bytes(std::move(bytes), options);
  ASSERT_FALSE(opened->ok()) << "accepted; wanted " << status_name(code);
  expect_is_failure(opened->result.status(), code, words);
  EXPECT_THAT(message_of(opened->result.status()), testing::HasSubstr(kPath));
  if (code == HADAL_E_LIMIT) {
    EXPECT_THAT(hint_of(opened->result.status()), testing::HasSubstr("limit_"));
  }
  EXPECT_EQ(opened->memory.n_open(), 0);
}

void expect_refused(const GgufWriter& writer, hadal_status code,
                    std::initializer_list<const char*> words, const CheckpointOptions& options) {
  expect_refused_bytes(writer.bytes(), code, words, options);
}

Log Records::log() {
  hadal_log_sink sink = {};
  sink.struct_size = sizeof sink;
  sink.level = HADAL_LOG_TRACE;
  sink.user_data = this;
  sink.write = [](void* user_data, int32_t, const char*, const char* text, size_t size) {
    static_cast<Records*>(user_data)->lines.emplace_back(text, size);
  };
  return Log(share_table(sink));
}

std::string read_test_file(const std::string& path) {
  std::ifstream in(std::string(HADAL_TEST_DATA "/") + path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace hadal::test
