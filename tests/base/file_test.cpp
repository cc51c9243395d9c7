// Files: the system's and a host's.
#include "lib/base/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

namespace hadal {
namespace {

std::string text_of(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

absl::StatusOr<std::string> read(const File& file, uint64_t at, size_t n) {
  std::string out(n, '?');
  HADAL_RETURN_IF_ERROR(file.read_at(at, std::as_writable_bytes(std::span(out))));
  return out;
}

class SystemFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/hadal_file_test_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    for (const char* name : {"f", "empty", "pipe"}) unlink((folder_ + "/" + name).c_str());
    rmdir(folder_.c_str());
  }
  std::string write(const char* name, const std::string& bytes) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string folder_;
};

TEST_F(SystemFileTest, ReadsAnyPart) {
  const std::string path = write("f", "0123456789");
  const auto file = system_files()->open(path);
  ASSERT_TRUE(file.ok()) << message_of(file.status());
  EXPECT_EQ((*file)->size_bytes(), 10u);
  EXPECT_EQ((*file)->path(), path);
  EXPECT_EQ(*read(**file, 0, 10), "0123456789");
  EXPECT_EQ(*read(**file, 7, 3), "789");
  EXPECT_EQ(*read(**file, 10, 0), "");
}

TEST_F(SystemFileTest, FailsBehindTheEnd) {
  const auto file = system_files()->open(write("f", "0123456789"));
  ASSERT_TRUE(file.ok());
  for (const uint64_t at : {uint64_t{8}, uint64_t{10}, uint64_t{1} << 40}) {
    EXPECT_EQ(code_of(read(**file, at, 3).status()), HADAL_E_FORMAT) << at;
  }
  EXPECT_FALSE(read(**file, UINT64_MAX - 1, 3).ok());
}

TEST_F(SystemFileTest, NoticesAFileThatWasCutWhileOpen) {
  const std::string path = write("f", "0123456789");
  const auto file = system_files()->open(path);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(truncate(path.c_str(), 4), 0);
  EXPECT_EQ(*read(**file, 0, 4), "0123");
  EXPECT_EQ(code_of(read(**file, 0, 5).status()), HADAL_E_FORMAT);
}

TEST_F(SystemFileTest, MapsTheWholeFile) {
  const auto file = system_files()->open(write("f", "0123456789"));
  const auto mapping = (*file)->map();
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ(text_of((*mapping)->bytes()), "0123456789");
  const auto empty = system_files()->open(write("empty", ""));
  const auto nothing = (*empty)->map();
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE((*nothing)->bytes().empty());
}

TEST_F(SystemFileTest, AMappingOutlivesItsFile) {
  auto file = system_files()->open(write("f", "0123456789"));
  const auto mapping = (*file)->map();
  file->reset();
  EXPECT_EQ(text_of((*mapping)->bytes()), "0123456789");
}

TEST_F(SystemFileTest, SaysWhyItCannotOpen) {
  const auto expect = [](const std::string& path, hadal_status code) {
    const auto file = system_files()->open(path);
    ASSERT_FALSE(file.ok()) << path;
    EXPECT_STREQ(status_name(code_of(file.status())), status_name(code)) << path;
    EXPECT_FALSE(hint_of(file.status()).empty());
  };
  expect(folder_ + "/absent", HADAL_E_NOT_FOUND);
  expect("", HADAL_E_NOT_FOUND);
  expect(folder_, HADAL_E_UNSUPPORTED);
  expect("/dev/null", HADAL_E_UNSUPPORTED);
  expect(std::string("a\0b", 3), HADAL_E_INVALID_ARGUMENT);
  EXPECT_EQ(os_error_of(system_files()->open(folder_ + "/absent").status()), ENOENT);
}

TEST_F(SystemFileTest, DoesNotWaitForTheOtherEndOfAPipe) {
  const std::string path = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto file = system_files()->open(path);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(code_of(file.status()), HADAL_E_UNSUPPORTED);
}

// A host with one file, that counts and can be told to misbehave.
struct Host {
  std::string bytes = "0123456789";
  int n_open = 0, n_destroyed = 0;
  int32_t open_answer = HADAL_OK, size_answer = HADAL_OK, read_answer = HADAL_OK;
  size_t most_per_read = 3;
  size_t claims_too_much = 0;

  hadal_io table() {
    hadal_io io = {};
    io.struct_size = sizeof io;
    io.user_data = this;
    io.destroy = [](void* self) { ++static_cast<Host*>(self)->n_destroyed; };
    io.open = [](void* self, const char*, size_t, int32_t, void** file) -> int32_t {
      auto* host = static_cast<Host*>(self);
      if (host->open_answer == HADAL_OK) ++host->n_open;
      *file = self;
      return host->open_answer;
    };
    io.size = [](void* self, void*, uint64_t* size) -> int32_t {
      *size = static_cast<Host*>(self)->bytes.size();
      return static_cast<Host*>(self)->size_answer;
    };
    io.read_at = [](void* self, void*, uint64_t at, void* to, size_t n, size_t* done) -> int32_t {
      auto* host = static_cast<Host*>(self);
      if (host->read_answer != HADAL_OK) return host->read_answer;
      n = at >= host->bytes.size()
              ? 0
              : std::min({n, host->most_per_read, host->bytes.size() - static_cast<size_t>(at)});
      std::memcpy(to, host->bytes.data() + (n == 0 ? 0 : at), n);
      *done = n + host->claims_too_much;
      return HADAL_OK;
    };
    io.close = [](void* self, void*) { --static_cast<Host*>(self)->n_open; };
    return io;
  }
};

TEST(HostFileTest, PutsShortReadsTogether) {
  Host host;
  const auto file = host_files(share_table(host.table()))->open("f");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*read(**file, 1, 8), "12345678");
  EXPECT_EQ(code_of(read(**file, 5, 6).status()), HADAL_E_FORMAT);
  EXPECT_EQ(code_of((*file)->map().status()), HADAL_E_UNSUPPORTED);
}

TEST(HostFileTest, ClosesEveryFileAndDestroysTheTableOnceAndLast) {
  Host host;
  {
    auto files = host_files(share_table(host.table()));
    auto file = files->open("f");
    files.reset();
    EXPECT_EQ(host.n_destroyed, 0) << "the open file still needs it";
    EXPECT_TRUE(read(**file, 0, 1).ok());
  }
  EXPECT_EQ(host.n_open, 0);
  EXPECT_EQ(host.n_destroyed, 1);
}

TEST(HostFileTest, PassesTheHostsAnswerOn) {
  Host host;
  auto files = host_files(share_table(host.table()));
  auto file = files->open("f");
  host.read_answer = HADAL_E_IO;
  EXPECT_EQ(code_of(read(**file, 0, 1).status()), HADAL_E_IO);
  host.open_answer = HADAL_E_NOT_FOUND;
  EXPECT_EQ(code_of(files->open("g").status()), HADAL_E_NOT_FOUND);
  host.open_answer = HADAL_OK;
  host.size_answer = HADAL_E_IO;
  EXPECT_EQ(code_of(files->open("g").status()), HADAL_E_IO);
  EXPECT_EQ(host.n_open, 1) << "what failed is closed";
}

TEST(HostFileTest, TakesAnswersThatAreNoErrorForAnIoError) {
  Host host;
  const auto file = host_files(share_table(host.table()))->open("f");
  for (const int32_t answer : {1, 7, INT32_MAX, -21, -1000, INT32_MIN}) {
    host.read_answer = answer;
    EXPECT_EQ(code_of(read(**file, 0, 1).status()), HADAL_E_IO) << answer;
  }
}

TEST(HostFileTest, DoesNotBelieveMoreBytesThanItAskedFor) {
  Host host;
  host.claims_too_much = 1;
  const auto file = host_files(share_table(host.table()))->open("f");
  EXPECT_EQ(code_of(read(**file, 0, 3).status()), HADAL_E_IO);
}

}  // namespace
}  // namespace hadal
