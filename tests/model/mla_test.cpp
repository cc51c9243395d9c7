// Mirrors lib/model/mla: which of its two forms a pass takes. That both compute the same is for the
// tests of the ops, and of the model as a whole.
#include "lib/model/mla.hpp"

#include <gtest/gtest.h>

#include "backends/loader.hpp"

namespace hadal::test {
namespace {

class MlaFormTest : public testing::Test {
 protected:
  MlaFormTest() {
    config_.num_hidden_layers = 1;
    config_.num_attention_heads = 128;
    config_.kv_lora_rank = 512;
    config_.qk_nope_head_dim = 128;
    config_.qk_rope_head_dim = 64;
    config_.v_head_dim = 128;
  }

  // n rows of a session that has `before` tokens already.
  void add(Batch& batch, int32_t before, int32_t n) {
    const SessionCache no_pages(LatentCache(*backend_, config_, 1, DType::kF32));
    batch.add(std::vector<int32_t>(static_cast<size_t>(n), 1), before, no_pages);
  }
  MlaForm form(int32_t before, int32_t n) {
    Batch batch;
    add(batch, before, n);
    return cheaper_form(config_, batch);
  }

  ModelConfig config_;
  std::unique_ptr<Backend> backend_ =
      *make_backend({.name = "reference"}, Memory::create(nullptr, 0), caller_only());
};

TEST_F(MlaFormTest, OneRowStaysInTheLatentSpaceAndAPromptLeavesIt) {
  for (const int32_t before : {1, 100, 100'000}) {
    EXPECT_EQ(form(before, 1), MlaForm::kAbsorbed) << before;
    EXPECT_EQ(form(before, 8), MlaForm::kAbsorbed) << before;
    EXPECT_EQ(form(before, 512), MlaForm::kExpanded) << before;
  }
  EXPECT_EQ(form(0, 2), MlaForm::kExpanded) << "nothing before them is carried along";
}

TEST_F(MlaFormTest, RowsOfManySessionsEachCarryTheirOwnContext) {
  Batch batch;
  for (int32_t s = 0; s < 512; ++s) add(batch, 1000, 1);
  EXPECT_EQ(cheaper_form(config_, batch), MlaForm::kAbsorbed);
}

}  // namespace
}  // namespace hadal::test
