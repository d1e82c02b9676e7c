"""The style rules find planted violations and leave correct code alone."""

import pytest

import cpp_source
import rules

HEADER = '// Says what this header is for.\n#pragma once\n'


def body(lines):
    return ''.join(f'  Step({number});\n' for number in range(lines))


def names(path, text):
    """The rules that find something."""
    return {rule.__name__ for rule in rules.FILE_RULES if list(rule(path, text))}


PLANTED = [
    ('function_length', 'src/base/a.cc', 'void Long() {\n' + body(69) + '}\n'),
    ('function_length', 'src/base/a.cc', 'namespace pj {\nclass A {\n public:\n  int F() const {\n'
     + body(69) + '  }\n};\n}\n'),
    ('function_length', 'src/base/a.cc',
     'A::A(int x)\n    : a_{x},\n      b_(x) {\n' + body(67) + '}\n'),
    ('function_length', 'tests/unit/base/a_test.cc', 'TEST(A, B) {\n' + body(69) + '}\n'),
    ('function_length', 'tests/e2e/a.py', 'def f():\n' + '    x = 1\n' * 70),
    ('file_length', 'src/base/a.cc', '\n' * 501),
    ('file_length', 'tests/e2e/a.py', '\n' * 501),
    ('main_length', 'cli/main.cc', '\n' * 151),
    ('parameter_count', 'src/base/a.cc',
     'int F(int a, const std::map<int, int>& b, int c, int d, int e,\n      int f) {\n}\n'),
    ('module_includes', 'src/base/a.cc', '#include "kube/api.h"\n'),
    ('module_includes', 'src/plan/a.cc', '#include "kube/api.h"\n'),
    ('module_includes', 'src/ledger/a.h', HEADER + '#include "kube/objects.h"\n'),
    ('module_includes', 'src/policy/a.cc', '#  include "worker/agent.h"\n'),
    ('module_includes', 'worker/a.cc', '#include "cli/commands.h"\n'),
    ('heavy_headers', 'src/kube/a.h', HEADER + '#include <nlohmann/json.hpp>\n'),
    ('heavy_headers', 'src/kube/a.h', HEADER + '#include "base/json.h"\n'),
    ('heavy_headers', 'src/plan/a.cc', '#include <Python.h>\n'),
    ('heavy_headers', 'src/kube/a.cc', '#include <yaml-cpp/yaml.h>\n'),
    ('heavy_headers', 'cli/a.h', HEADER + '#include <CLI/CLI.hpp>\n'),
    ('crashing_parsers', 'src/api/a.cc', '#include <regex>\n'),
    ('crashing_parsers', 'cli/a.cc', '#include <regex.h>\n'),
    ('crashing_parsers', 'operator/a.cc', 'const Json job = Json::parse(text);\n'),
    ('crashing_parsers', 'src/kube/a.cc', 'auto config = YAML::Load(text);\n'),
    ('purpose_sentence', 'src/base/a.h', '#pragma once\n'),
    ('purpose_sentence', 'src/base/a.h', '// Clock.\n#pragma once\n'),
    ('purpose_sentence', 'cli/a.h', '// Says what this header is for.\nint x;\n'),
    ('no_waiting_in_tests', 'tests/unit/base/a_test.cc',
     'std::this_thread::sle' + 'ep_for(std::chrono::seconds(1));\n'),
    ('no_waiting_in_tests', 'tests/e2e/a.py', 'time.sle' + 'ep(1)\n'),
    ('no_waiting_in_tests', 'tests/unit/worker/a_test.cc', 'Run("sle' + 'ep 1");\n'),
    ('no_waiting_for_time_in_tests', 'tests/unit/base/a_test.cc', '::po' 'll(nullptr, 0, 200);\n'),
    ('no_waiting_for_time_in_tests', 'tests/unit/base/a_test.cc',
     'po' 'll({}, 0, Millis(200).count());\n'),
    ('no_waiting_for_time_in_tests', 'tests/unit/base/a_test.cc',
     'select(0, nullptr, nullptr, nullptr' ', &time);\n'),
    ('no_waiting_for_time_in_tests', 'tests/unit/base/a_test.cc',
     'EXPECT_EQ(done.wait_for(Millis(9)),\n          std::future_status::time' 'out);\n'),
    ('no_waiting_for_time_in_tests', 'tests/unit/base/a_test.cc',
     'EXPECT_FALSE(Wait' 'For([&] { return done; }, 1));\n'),
    ('no_waiting_for_time_in_tests', 'tests/e2e/a.py', 'select.select([], [], [], ' '0.2)\n'),
    ('no_waiting_for_time_in_tests', 'tests/e2e/a.py', 'threading.Event().wait(' '1)\n'),
    ('no_waiting_for_time_in_tests', 'tests/e2e/a.py', 'Event().wait(timeout=' '1_0)\n'),
    ('no_waiting_for_time_in_tests', 'tests/e2e/a.py',
     'with pytest.raises(subprocess.Timeout' 'Expired):\n    process.wait(2)\n'),
    ('throwing_file_calls', 'cli/a.cc', 'if (fs::exists(path)) return;\n'),
    ('throwing_file_calls', 'cli/a.cc', 'std::error_code error;\nfs::rename(a, Name(b, error));\n'),
    ('throwing_file_calls', 'cli/a.cc', 'int error = 0;\nstd::filesystem::remove_all(a, error);\n'),
    ('throwing_file_calls', 'src/base/a.cc', 'if (entry->is_directory()) return;\n'),
    ('throwing_file_calls', 'worker/a.cc', 'fs::directory_iterator it(path);\n'),
    ('throwing_file_calls', 'worker/a.cc',
     'std::error_code error;\nfs::recursive_directory_iterator it(path, error);\n++it;\n'),
    ('throwing_file_calls', 'worker/a.cc',
     'std::error_code error;\nfor (const auto& e : fs::directory_iterator(path, error)) F(e);\n'),
    ('prints_that_throw', 'cli/a.cc', 'fmt::print("{}", text);\n'),
    ('columns', 'src/base/a.cc', '//' + 'x' * 99 + '\n'),
    ('columns', 'cmake/a.cmake', '#' + 'x' * 100 + '\n'),
    ('nothing_left_for_later', 'src/base/a.cc', '// TO' + 'DO(me): more\n'),
    ('nothing_left_for_later', 'README.md', 'FIX' + 'ME\n'),
    ('no_machine_paths', 'docs/a.md', 'see /ro' + 'ot/x\n'),
    ('no_machine_paths', 'tests/e2e/a.py', 'p = "/ho' + 'me/somebody/x"\n'),
    ('no_machine_paths', 'dev', 'cd /wor' + 'k/main\n'),
]


@pytest.mark.parametrize('rule, path, text', PLANTED,
                         ids=[f'{index}-{plant[0]}' for index, plant in enumerate(PLANTED)])
def test_planted_violation_is_found(rule, path, text):
    assert rule in names(path, text)


CLEAN = [
    ('src/base/a.cc', 'void Long() {\n' + body(68) + '}\n'),
    ('src/base/a.cc', '#include "base/result.h"\n#include <vector>\n'),
    ('src/base/a.cc', 'const char* kText = "{{{";  // }}}\nint F() { return 1\'000; }\n'),
    ('src/base/json.h', HEADER + '#include <nlohmann/json.hpp>\n'),
    ('src/kube/a.cc', '#include "base/json.h"\n'),
    ('src/base/a.h', HEADER + 'namespace pj {}\n'),
    ('tests/bench/a.py', 'time.sle' + 'ep(0.001)\n'),
    ('tests/unit/base/a_test.cc', 'while (!done && Now() < deadline) ::poll(nullptr, 0, 5);\n'),
    ('tests/unit/base/a_test.cc', '::poll(&wait, 1, 10\'000);\n'),
    ('tests/unit/base/a_test.cc',
     'EXPECT_EQ(done.wait_for(Seconds(10)), std::future_status::ready);\n'
     'if (late.wait_for(Millis(1)) == std::future_status::time' 'out) Look();\n'),
    ('tests/unit/base/a_test.cc', 'EXPECT_TRUE(WaitFor([&] { return done; }, 60));\n'),
    ('tests/e2e/a.py', 'threading.Event().wait()\nprocess.wait(30)\nready.wait(60)\n'
     'select.select([fd], [], [], 10)\nselect.select([], [], [], 0.05)\n'),
    ('cli/a.cc', 'std::error_code error, none;\nfs::exists(F(a, b), none);\n'
     'for (fs::directory_iterator it(path, error), end; it != end; it.increment(error)) F(*it);\n'
     'if (it == fs::directory_iterator() || it->is_directory(none)) F("fs::exists(a)");\n'),
    ('cli/a.cc', 'void F(std::error_code* error) { fs::remove(a, *error); }\n'),
    ('tests/unit/cli/a_test.cc', 'EXPECT_TRUE(fs::exists(path));\n'),
    ('docs/a.md', 'x' * 300 + '\n'),
    ('src/base/a.cc', 'void F() {\n  G(1, 2, 3, 4, 5, 6);\n}\n'
     'int G(int a, std::pair<int, int> b, void (*c)(int, int), int d, int e) {\n}\n'),
    ('src/base/a.cc', '// 100 columns exactly' + 'x' * 78 + '\n'),
]


@pytest.mark.parametrize('path, text', CLEAN)
def test_clean_code_passes(path, text):
    assert rules.check_file(path, text) == []


def test_two_files_with_one_header_each():
    files = {'cli/a.cc': '#include <CLI/CLI.hpp>\n', 'cli/b.cc': '#include <CLI/CLI.hpp>\n'}
    assert any('CLI/' in finding for finding in rules.one_file_each(files))
    assert not list(rules.one_file_each({'cli/a.cc': '#include <CLI/CLI.hpp>\n',
                                         'operator/main.cc': '#include <CLI/CLI.hpp>\n'}))


def test_links_that_lead_nowhere():
    files = {'docs/a.md': '# One `two`: three\n[x](b.md) [y](../cli/) [z](#one-two-three) '
                          '[w](c.md)',
             'docs/b.md': '[a](a.md#one) [web](https://example.com/none)', 'cli/main.cc': ''}
    assert list(rules.links(files)) == ['docs/a.md: c.md leads nowhere',
                                        'docs/b.md: a.md#one: there is no such heading']


def test_a_module_without_readme():
    assert list(rules.module_readmes({'src/base/a.cc': ''}))
    assert list(rules.module_readmes({'src/base/a.cc': '', 'src/base/README.md': 'x\n' * 26}))
    assert not list(rules.module_readmes({'src/base/a.cc': '', 'src/base/README.md': 'x\n'}))


def test_functions_are_found_with_their_lines():
    text = ('namespace pj {\n\nint A(int x) {\n  if (x) { return 1; }\n  return 2;\n}\n\n'
            'struct S {\n  int v = 3;\n  std::vector<int> w{1, 2};\n'
            '  int B() const { return v; }\n};\n\n'
            'S::S(int v)\n    : v_{v}, w_{1} {\n  F([&] { return 1; });\n}\n}  // namespace pj\n')
    found = [(head.split('(')[0], first, last) for head, first, last in cpp_source.functions(text)]
    assert found == [('int A', 3, 6), ('int B', 11, 11), ('S::S', 14, 17)]


def test_raw_strings_and_comments_are_no_code():
    text = 'auto s = R"x(} { )" )x"; /* { */ int F() { return \'{\'; }\n'
    assert [(first, last) for _, first, last in cpp_source.functions(text)] == [(1, 1)]
