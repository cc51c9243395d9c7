/* A game that talks: draws 60 frames a second and gives hadal what is left of each. No thread but
 * this one works. Usage: frame_loop MODEL PROMPT [MAX_TOKENS] */
#define _POSIX_C_SOURCE 200809L
#include <hadal/hadal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kFrameNs = 16666667, kDrawingNs = 6000000 };

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time_ns) {
  const uint64_t now = now_ns();
  if (time_ns <= now) return;
  const struct timespec left = {.tv_nsec = (long)(time_ns - now)}; /* less than a frame */
  nanosleep(&left, NULL);
}

struct frames {
  int n;
  uint64_t longest_ns;
};

/* One frame after another until the request is finished. */
static hadal_status play(hadal_request* request, struct frames* frames, hadal_error** error) {
  hadal_event event = {.struct_size = sizeof event};
  for (;;) {
    const uint64_t start = now_ns();
    sleep_until(start + kDrawingNs); /* the game does its own work */

    const uint64_t used = now_ns() - start;
    const uint64_t left = used < kFrameNs ? kFrameNs - used : 0;
    const hadal_status status = hadal_request_step(request, left * 3 / 4, error);
    while (hadal_request_poll(request, &event, NULL) == HADAL_EVENT)
      if (event.kind == HADAL_EVENT_TEXT) fwrite(event.text, 1, event.text_size, stdout);
    fflush(stdout);

    const uint64_t took = now_ns() - start;
    if (took > frames->longest_ns) frames->longest_ns = took;
    ++frames->n;
    if (status == HADAL_DONE || status < 0) return status;
    sleep_until(start + kFrameNs);
  }
}

int main(int argc, char** argv) {
  hadal_config *no_threads = NULL, *limit = NULL;
  hadal_runtime* runtime = NULL;
  hadal_request *load = NULL, *answer = NULL;
  hadal_model* model = NULL;
  hadal_session* session = NULL;
  hadal_sampler* sampler = NULL;
  hadal_error* error = NULL;
  struct frames loading = {0, 0}, talking = {0, 0};
  if (argc < 3) return fprintf(stderr, "usage: %s MODEL PROMPT [MAX_TOKENS]\n", argv[0]), 2;
  const char *path = argv[1], *prompt = argv[2];
  const int64_t max_tokens = argc > 3 ? strtoll(argv[3], NULL, 10) : 100;

  const int done =
      hadal_config_create(&no_threads, &error) == HADAL_OK &&
      hadal_config_set_i64(no_threads, HADAL_OPT_THREADS, 0, &error) == HADAL_OK &&
      hadal_config_create(&limit, &error) == HADAL_OK &&
      hadal_config_set_i64(limit, HADAL_OPT_MAX_TOKENS, max_tokens, &error) == HADAL_OK &&
      hadal_runtime_create(no_threads, &runtime, &error) == HADAL_OK &&
      hadal_model_load(runtime, path, strlen(path), NULL, &load, &error) == HADAL_OK &&
      play(load, &loading, &error) == HADAL_DONE &&
      hadal_request_take_model(load, &model, &error) == HADAL_OK &&
      hadal_session_create(model, NULL, &session, &error) == HADAL_OK &&
      hadal_session_append_text(session, prompt, strlen(prompt), HADAL_TEXT_BOS, &error) == 0 &&
      hadal_sampler_create(runtime, NULL, &sampler, &error) == HADAL_OK &&
      hadal_session_generate(session, sampler, limit, &answer, &error) == HADAL_OK &&
      play(answer, &talking, &error) == HADAL_DONE;
  if (!done) fprintf(stderr, "%s\n%s\n", hadal_error_message(error), hadal_error_hint(error));
  printf("\nloaded in %d frames (longest %.1f ms), talked for %d (longest %.1f ms)\n", loading.n,
         (double)loading.longest_ns / 1e6, talking.n, (double)talking.longest_ns / 1e6);

  hadal_error_free(error);
  hadal_request_free(answer);
  hadal_sampler_free(sampler);
  hadal_session_free(session);
  hadal_model_free(model);
  hadal_request_free(load);
  hadal_runtime_free(runtime);
  hadal_config_free(limit);
  hadal_config_free(no_threads);
  return !done;
}
