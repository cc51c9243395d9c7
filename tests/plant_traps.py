#!/usr/bin/env python3
"""plant_traps.py BUILD [TRAP...]: plants the known mistakes of this family, one after another, in a
copy of the sources, and checks that a test fails for each.

BUILD is a folder for the copy and its build; it is made if it is not there. A trap that no test
notices, or whose place in the code is not found any more, is a failure. Names of traps are those in
the tests' comments.
"""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# trap: (file, what stands there, what others wrote, test program, tests)
TRAPS = {
    'A1 no mscale squared': ('lib/model/rope.cpp', 'logit_factor = all_dim * all_dim;',
                             'logit_factor = 1.0;', 'model', 'RopeTest.*'),
    'A2 mscale for mscale_all_dim': ('lib/model/rope.cpp', 'mscale(yarn->mscale_all_dim,',
                                     'mscale(yarn->mscale,', 'model', 'RopeTest.*'),
    'A4 scale inverted': ('lib/model/rope.cpp', 'logit_factor / std::sqrt(',
                          'logit_factor * std::sqrt(', 'model', 'RopeTest.*'),
    'A5 cos and sin times mscale': ('lib/model/rope.cpp', ') / all_dim;', ');', 'model', 'RopeTest.*'),
    'A8 halves for pairs': ('backends/reference/rope.cpp', 'float* out) {\n',
                            'float* out) {\n  std::vector<float> y(x, x + n);\n'
                            '  for (int64_t i = 0; i < n / 2; ++i) {\n'
                            '    y[size_t(2 * i)] = x[i];\n    y[size_t(2 * i + 1)] = x[n / 2 + i];\n'
                            '  }\n  x = y.data();\n', 'model', '*GoldenTest.*v3_f32_reference'),
    'A9 angles in float': ('lib/model/rope.cpp', 'const double angle = position * frequency;',
                           'const double angle = double(float(position) * float(frequency));', 'model',
                           'RopeTest.*'),
    'A14 norm over the key as well': ('backends/reference/latent_append.cpp',
                                      'rms_norm_row(kv_a, gain.data(), rank,',
                                      'rms_norm_row(kv_a, gain.data(), args.kv_a.cols,', 'backends',
                                      '*LatentAppend*'),
    'A15 one epsilon for all norms': ('lib/model/mla.cpp', '.rms_norm_eps = ModelConfig::kLoraNormEps',
                                      '.rms_norm_eps = config.rms_norm_eps', 'model',
                                      '*GoldenTest.CacheRows/moonlight*'),
    'A16 a row does not see the cache': ('backends/reference/mla_attention.cpp',
                                         'for (int64_t p = 0; p <= position; ++p) {',
                                         'for (int64_t p = position; p <= position; ++p) {', 'model',
                                         '*GoldenTest.*v3_f32_reference'),
    'G1 bias in the weights': ('backends/reference/moe_route.cpp',
                               'static_cast<double>(score[static_cast<size_t>(chosen[k])]);',
                               'static_cast<double>(choice[static_cast<size_t>(chosen[k])]);',
                               'backends', '*MoeRoute*'),
    'G2 group judged by one': ('backends/reference/moe_route.cpp', 'kNoauxTc ? 2 : 1', 'kNoauxTc ? 1 : 1',
                               'backends', '*MoeRoute*'),
    'G2 V2 judged by two': ('backends/reference/moe_route.cpp', 'kNoauxTc ? 2 : 1', 'kNoauxTc ? 2 : 2',
                            'backends', '*MoeRoute*'),
    'G3 dropped groups are 0': ('backends/reference/moe_route.cpp',
                                'std::fill(group.begin(), group.end(), kExcluded);',
                                'std::fill(group.begin(), group.end(), 0.0f);', 'backends',
                                '*MoeRoute*'),
    'G7 factor twice': ('backends/reference/moe_route.cpp', 'static_cast<float>(s * scale);',
                        'static_cast<float>(s * scale * double(args.routed_scaling_factor));',
                        'backends', '*MoeRoute*'),
    'G7 shared expert scaled': ('lib/model/moe.cpp', 'backend.add(b.shared_out, out);',
                                'backend.add(b.shared_out, out);\n    backend.add(b.shared_out, out);',
                                'model', '*GoldenTest.Logits*v3_f32_reference'),
    'G9 no epsilon': ('backends/reference/moe_route.cpp', 'divisor = 1e-20;', 'divisor = 0.0;',
                      'backends', '*MoeRoute*'),
    'G11 groups not inferred': ('lib/checkpoint/gguf_checkpoint.cpp', 'infer_expert_groups',
                                'infer_expert_groups && false', 'checkpoint', '*'),
    'G13 norm_topk_prob ignored': ('backends/reference/moe_route.cpp',
                                   'if (args.norm_topk_prob && chosen.size() > 1)',
                                   'if (chosen.size() > 1)', 'backends', '*MoeRoute*'),
    'G14 padding rows sampled': ('lib/session/generate_request.cpp', 'session.model().sampled_rows()',
                                 '{}', 'session', '*RequestTest.*'),
    'M1 state before the embedding': ('lib/model/mtp.cpp',
                                      'eh_input_.columns(0, config_.hidden_size);\n'
                                      '  const Tensor state = eh_input_.columns(config_.hidden_size,',
                                      'eh_input_.columns(config_.hidden_size, config_.hidden_size);\n'
                                      '  const Tensor state = eh_input_.columns(0,', 'model',
                                      '*MtpTest.Logits*'),
    'M2 state before the final norm': ('lib/model/transformer.cpp',
                                       'backend_.rms_norm(b_.x, weights_.norm, config_.rms_norm_eps, '
                                       'b_.normed);\n  return b_.normed;', 'return b_.x;', 'model',
                                       '*MtpTest.Logits*'),
    'F1 joint kv_b cut in the wrong place': ('lib/model/weights.cpp', 'row * nope}', 'row * v}', 'model',
                                             'WeightsTest.*'),
    'T3 BOS twice': ('lib/session/session.cpp', '&& !begins_with_bos', '&& (!begins_with_bos || true)', 'session', 'SessionTest.*'),
}


def run(command, **how):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)


def main(build, wanted):
    copy = os.path.join(os.path.abspath(build), 'source')
    if not os.path.exists(copy):
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        run(['git', 'clone', '-q', ROOT, copy], check=True)
    if not os.path.exists(copy + '/build/dev/build.ninja'):
        print(run(['cmake', '--preset', 'dev'], cwd=copy, check=True).stdout[-200:])
    failed = 0
    for trap, (path, there, planted, program, tests) in TRAPS.items():
        if wanted and not any(trap.startswith(w) for w in wanted):
            continue
        path = os.path.join(copy, path)
        with open(path) as f:
            text = f.read()
        if there not in text:
            print(f'{trap}: its place is gone')
            failed += 1
            continue
        try:
            with open(path, 'w') as f:
                f.write(text.replace(there, planted, 1))
            built = run(['cmake', '--build', 'build/dev', '--target', program + '_test'], cwd=copy)
            if built.returncode != 0:
                print(f'{trap}: does not compile\n{built.stdout[-2000:]}')
                failed += 1
                continue
            result = run([f'build/dev/tests/{program}_test', f'--gtest_filter={tests}'], cwd=copy)
            names = [line.split()[3] for line in result.stdout.splitlines()
                     if line.startswith('[  FAILED  ]') and '(' in line]
            print(f'{trap}: {"noticed by " + names[0] if names else "NOT NOTICED"}'
                  f'{f" and {len(names) - 1} more" if len(names) > 1 else ""}', flush=True)
            failed += not names
        finally:
            with open(path, 'w') as f:
                f.write(text)
    return 1 if failed else 0


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
