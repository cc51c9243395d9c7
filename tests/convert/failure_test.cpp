// Whatever goes wrong while files are written, everything is as it was: full disks, refused calls,
// cancelled conversions, files that are there already.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/convert/conversion.hpp"
#include "tests/convert/workbench.hpp"

namespace hadal::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class FailureTest : public testing::Test {
 protected:
  FailureTest() {
    files_.put_file("in.gguf", kToys + "v3/v3-f32.gguf");
    options_.type = "bf16";
    options_.split_tensors = 20;  // three files
  }
  absl::Status run() { return convert(tools(files_.files(), 0), "in.gguf", "out.gguf", options_); }

  WritableFiles files_;
  ConversionOptions options_;
};

TEST_F(FailureTest, ADiskThatIsFull) {
  const uint64_t input = files_.all().at("in.gguf").size();
  files_.set_capacity(input + 200'000);
  const absl::Status status = run();
  EXPECT_EQ(code_of(status), HADAL_E_NO_SPACE);
  EXPECT_THAT(message_of(status), HasSubstr("bytes at byte"));
  EXPECT_THAT(files_.all(), SizeIs(1));
  EXPECT_EQ(files_.n_open(), 0);
  files_.set_capacity(UINT64_MAX);
  EXPECT_TRUE(run().ok());
  EXPECT_THAT(files_.all(), SizeIs(4));
}

// Every single write, sync and rename.
TEST_F(FailureTest, EveryCallMayFail) {
  ASSERT_TRUE(run().ok());
  const std::map<std::string, std::string> whole = files_.all();
  options_.overwrite = true;
  int n = 0, n_partly = 0;
  for (;; ++n) {
    files_.fail_write(n, HADAL_E_IO);
    const absl::Status status = run();
    if (status.ok()) break;
    EXPECT_EQ(code_of(status), HADAL_E_IO);
    EXPECT_EQ(files_.n_open(), 0);
    // A failure of the names themselves may come after the first of them.
    ASSERT_EQ(files_.all(), whole) << "call " << n;
    ++n_partly;
  }
  EXPECT_GT(n, 60);
  EXPECT_EQ(n, n_partly);
}

TEST_F(FailureTest, OneThatIsDroppedLeavesNothing) {
  for (int steps = 0; steps < 200; ++steps) {
    {
      Conversion conversion(tools(files_.files(), 0), "in.gguf", "out.gguf", options_);
      bool done = false;
      for (int i = 0; i < steps && !done; ++i) {
        ASSERT_TRUE(conversion.step().ok());
        done = conversion.done();
      }
      if (done) break;
    }
    ASSERT_THAT(files_.all(), SizeIs(1)) << "after " << steps;
    ASSERT_EQ(files_.n_open(), 0);
  }
  EXPECT_THAT(files_.all(), SizeIs(4));
}

TEST_F(FailureTest, FilesThatAreThereStay) {
  files_.put("out-00002-of-00003.gguf", "precious");
  const int writes = files_.n_writes();
  const absl::Status status = run();
  EXPECT_EQ(code_of(status), HADAL_E_INVALID_ARGUMENT);
  EXPECT_THAT(message_of(status), HasSubstr("out-00002-of-00003.gguf"));
  EXPECT_EQ(files_.n_writes(), writes);
  EXPECT_EQ(files_.all().at("out-00002-of-00003.gguf"), "precious");
  options_.overwrite = true;
  EXPECT_TRUE(run().ok());
  EXPECT_NE(files_.all().at("out-00002-of-00003.gguf"), "precious");
}

TEST_F(FailureTest, AFileCanReplaceItself) {
  options_.split_tensors = 0;
  options_.overwrite = true;
  const absl::Status status = convert(tools(files_.files(), 0), "in.gguf", "in.gguf", options_);
  EXPECT_TRUE(status.ok()) << message_of(status);
  EXPECT_THAT(files_.all(), SizeIs(1));
  EXPECT_EQ(read_tensors(*files_.files(), "in.gguf").at("output.weight").dtype, DType::kBF16);
}

TEST_F(FailureTest, OnTheSystemsDiskToo) {
  const TemporaryFolder folder;
  const std::string to = folder.path() + "out.gguf";
  {
    Conversion conversion(tools(), kToys + "v3/v3-f32.gguf", to, {});
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(conversion.step().ok());
    EXPECT_THAT(folder.names(), ElementsAre("out.gguf.part"));
    // Nobody else can write the same file meanwhile.
    EXPECT_EQ(code_of(convert(tools(), kToys + "v3/v3-f32.gguf", to)), HADAL_E_BUSY);
    EXPECT_THAT(folder.names(), ElementsAre("out.gguf.part"));
  }
  EXPECT_THAT(folder.names(), ElementsAre());
  ConversionOptions cast;
  cast.type = "bf16";
  cast.to_safetensors = true;
  {
    Conversion conversion(tools(), kToys + "v3-fp8", folder.path() + "directory", cast);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(conversion.step().ok());
    EXPECT_FALSE(conversion.done());
  }
  EXPECT_THAT(folder.names(), ElementsAre());
  EXPECT_EQ(code_of(convert(tools(), kToys + "v3/v3-f32.gguf", folder.path())),
            HADAL_E_INVALID_ARGUMENT);
  EXPECT_EQ(code_of(convert(tools(), kToys + "v3/v3-f32.gguf", folder.path() + "no/such.gguf")),
            HADAL_E_IO);
}

TEST_F(FailureTest, ASmallDiskIsKnownBeforehand) {
  class SmallDisk : public FileSystem {
   public:
    absl::StatusOr<std::shared_ptr<const File>> open(absl::string_view path) override {
      return system_files()->open(path);
    }
    absl::StatusOr<std::unique_ptr<WritableFile>> create(absl::string_view) override {
      ADD_FAILURE() << "there was no room for it";
      return fail(HADAL_E_INTERNAL, "", kNoHint);
    }
    std::optional<uint64_t> free_bytes(absl::string_view) override { return 900'000; }
  };
  const absl::Status status = convert(tools(std::make_shared<SmallDisk>()),
                                      kToys + "v3/v3-f32.gguf", "/nowhere/hadal-out.gguf");
  EXPECT_EQ(code_of(status), HADAL_E_NO_SPACE);
  EXPECT_THAT(message_of(status), HasSubstr("948160 bytes"));
}

}  // namespace
}  // namespace hadal::test
