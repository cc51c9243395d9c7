// Mirrors lib/model/latent_cache: which types a model's cache can have. What it holds is for the
// tests of sessions and of the ops.
#include "lib/model/latent_cache.hpp"

#include <gtest/gtest.h>

namespace hadal::test {
namespace {

TEST(LatentCacheTest, ATypeWhoseBlocksDoNotDivideTheLatentsIsRefused) {
  ModelConfig config;
  config.kv_lora_rank = 48;
  for (const char* plain : {"f32", "bf16", "f16"})
    EXPECT_TRUE(LatentCache::type_from_name(plain, config).ok()) << plain;
  for (const char* blocks : {"q8_0", "q5_1", "q5_0", "q4_0"}) {
    const absl::Status status = LatentCache::type_from_name(blocks, config).status();
    EXPECT_EQ(code_of(status), HADAL_E_UNSUPPORTED) << blocks;
    EXPECT_NE(message_of(status).find("48"), std::string::npos);
    EXPECT_NE(hint_of(status).find("bf16"), std::string::npos);
  }
  config.kv_lora_rank = 512;
  EXPECT_TRUE(LatentCache::type_from_name("q8_0", config).ok());
}

TEST(LatentCacheTest, AWordThatIsNoTypeIsToldWhatThereIs) {
  ModelConfig config;
  config.kv_lora_rank = 512;
  for (const char* word : {"", "q4_k", "F32", "auto"}) {
    const absl::Status status = LatentCache::type_from_name(word, config).status();
    EXPECT_EQ(code_of(status), HADAL_E_OUT_OF_RANGE) << word;
    EXPECT_NE(hint_of(status).find("q4_0"), std::string::npos);
  }
}

}  // namespace
}  // namespace hadal::test
