// The option cache_type: what a session's latent cache is kept in, and how near the logits stay.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

Config cached_in(const char* type) {
  Config config;
  EXPECT_TRUE(config.set_str(HADAL_OPT_CACHE_TYPE, type).ok());
  return config;
}

class CacheTypeTest : public testing::Test {
 protected:
  std::shared_ptr<Runtime> runtime_ = runtime(2, 1);
  std::shared_ptr<ServedModel> model_ = load(runtime_, kToy);
  std::vector<int32_t> prompt_ = prompt_of(200);

  std::vector<float> logits_with(const Config& config) {
    const auto s = session(model_, config);
    EXPECT_TRUE(s->append(prompt_).ok());
    EXPECT_TRUE(prefill(s).status.ok());
    return *s->logits();
  }
  // The root mean square of the difference, in units of that of the logits.
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double difference = 0.0, size = 0.0;
    for (size_t i = 0; i < a.size(); ++i) {
      difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
      size += std::pow(static_cast<double>(b[i]), 2);
    }
    return std::sqrt(difference / size);
  }
};

TEST_F(CacheTypeTest, LogitsStayAsNearAsTheTypeAllows) {
  const std::vector<float> exact = logits_with(cached_in("f32"));
  const std::pair<const char*, double> types[] = {{"bf16", 0.02}, {"f16", 0.01}, {"q8_0", 0.02},
                                                  {"q5_1", 0.1},  {"q5_0", 0.1}, {"q4_0", 0.2}};
  for (const auto& [type, allowed] : types) {
    SCOPED_TRACE(type);
    const double off = distance(logits_with(cached_in(type)), exact);
    EXPECT_GT(off, 0.0) << "nothing was rounded";
    EXPECT_LT(off, allowed);
  }
}

TEST_F(CacheTypeTest, AutoRoundsWhereActivationsAreRounded) {
  EXPECT_EQ(logits_with({}), logits_with(cached_in("bf16")));
  Config exact;
  ASSERT_TRUE(exact.set_str(HADAL_OPT_CPU_ACTIVATIONS, "f32").ok());
  model_ = load(runtime_, kToy, exact);
  EXPECT_EQ(logits_with({}), logits_with(cached_in("f32")));
  Config reference;
  ASSERT_TRUE(reference.set_str(HADAL_OPT_BACKEND, "reference").ok());
  model_ = load(runtime_, kToy, reference);
  prompt_.resize(20);
  EXPECT_EQ(logits_with({}), logits_with(cached_in("f32")));
}

TEST_F(CacheTypeTest, SessionsOfDifferentTypesRunSideBySideAsTheyDoAlone) {
  model_ = load(runtime(2, 2), kToy);  // the same bits in any pass
  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::shared_ptr<Request>> requests;
  const char* const types[] = {"f32", "q8_0", "bf16", "f32", "q4_0"};
  for (const char* type : types) {
    sessions.push_back(session(model_, cached_in(type)));
    ASSERT_TRUE(sessions.back()->append(prompt_).ok());
    requests.push_back(*PrefillRequest::create(sessions.back(), {}));
  }
  Event event;
  for (const auto& request : requests) EXPECT_TRUE(request->poll(event).ok());  // all begin
  for (const auto& request : requests) {
    EXPECT_TRUE(run(*request).status.ok());
    request->close();
  }
  for (size_t i = 0; i < sessions.size(); ++i)
    EXPECT_EQ(*sessions[i]->logits(), logits_with(cached_in(types[i]))) << types[i];
}

TEST_F(CacheTypeTest, AForkHasTheTypeOfItsParent) {
  for (const char* type : {"q8_0", "bf16"}) {
    SCOPED_TRACE(type);
    const auto parent = session(model_, cached_in(type));
    ASSERT_TRUE(parent->append(std::span(prompt_).first(100)).ok());
    ASSERT_TRUE(prefill(parent).status.ok());
    const auto child = *parent->fork();
    for (const auto& s : {parent, child}) {  // both write into the page that they share
      ASSERT_TRUE(s->append(std::span(prompt_).subspan(100, 60)).ok());
      ASSERT_TRUE(prefill(s).status.ok());
    }
    EXPECT_EQ(*child->logits(), *parent->logits());
  }
}

TEST_F(CacheTypeTest, OtherTypesAreRefusedByName) {
  const absl::Status unknown = Session::create(model_, cached_in("q3_k")).status();
  EXPECT_EQ(code_of(unknown), HADAL_E_OUT_OF_RANGE);
  EXPECT_NE(message_of(unknown).find("q3_k"), std::string::npos);
  EXPECT_NE(hint_of(unknown).find("q8_0"), std::string::npos);
}

}  // namespace
}  // namespace hadal::test
