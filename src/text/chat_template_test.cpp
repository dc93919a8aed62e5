#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil::text {
using jinja::Json;

static std::string render(const std::string& source, const Json& variables = Json::object()) { return jinja::Template::parse(source).render(variables); }

static std::string error_of(const std::string& source, const Json& variables = Json::object()) {
  try {
    render(source, variables);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

// Every chat of the goldens through every family's template, against apply_chat_template.
TEST(ChatTemplate, ByteExactWithTransformers) {
  const Json golden = Json::parse(read_file("tests/golden/text/chat_goldens.json"));
  int cases = 0;
  for (const auto& t : golden.at("templates")) {
    std::map<std::string, std::string> special;
    for (const auto& [key, value] : t.at("special_tokens").items()) special[key] = value.get<std::string>();
    const ChatTemplate chat = ChatTemplate::parse(t.at("template").get<std::string>(), special);
    for (const auto& c : t.at("cases")) {
      ChatOptions options;
      options.add_generation_prompt = c.at("add_generation_prompt");
      options.continue_final_message = c.value("continue_final_message", false);
      if (c.contains("tools")) options.tools = golden.at("shared").at(c["tools"].get<size_t>());
      if (c.contains("variables")) options.variables = c["variables"];
      options.now = golden.at("now").get<int64_t>();
      const Json& messages = golden.at("shared").at(c.at("messages").get<size_t>());
      ++cases;
      if (c.contains("expected")) {
        EXPECT_EQ(chat.render_json(messages, options), c["expected"].get<std::string>()) << t["name"] << messages;
      } else {
        EXPECT_THROW(chat.render_json(messages, options), Error) << t["name"] << messages;
      }
    }
  }
  EXPECT_EQ(cases, 360);
}

TEST(ChatTemplate, SimpleMessagesAndThePlainForm) {
  const ChatTemplate chat = ChatTemplate::parse("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}{{ bos_token }}",
                                                {{"bos_token", "<s>"}});
  EXPECT_EQ(chat.render({{"user", "a"}, {"assistant", "b"}}), "[user]a[assistant]b[assistant]<s>");
  ChatOptions open{.add_generation_prompt = false, .continue_final_message = true};
  EXPECT_EQ(chat.render({{"user", "a"}, {"assistant", "b "}}, open), "[user]a[assistant]b ");
  EXPECT_EQ(ChatTemplate::plain().render({{"user", "What is 2+2?"}}), "What is 2+2?\n");
  EXPECT_TRUE(ChatTemplate::plain().is_plain());
  open.add_generation_prompt = true;
  try {
    chat.render({{"user", "a"}}, open);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "add_generation_prompt and continue_final_message exclude each other");
  }
}

// Expected values by jinja2 3.1.6 with transformers' settings.
TEST(Jinja, WhitespaceControl) {
  EXPECT_EQ(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a {%- if true -%} b {%- endif %} c"), "ab c");
  EXPECT_EQ(render("  {%+ if true %}x{% endif +%}\ny"), "  x\ny");
  EXPECT_EQ(render("x {{- ' a ' -}}  y {{ 'b' }}\nz"), "x a y b\nz");
  EXPECT_EQ(render("a {# c #}\n{#- d -#}  b\r\nc"), "a b\nc");
  EXPECT_EQ(render("{% raw %}{{ x }}{% endraw %}\n{{ '}}' }}"), "{{ x }}}}");
}

TEST(Jinja, ExpressionsBehaveAsInPython) {
  EXPECT_EQ(render("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 + 3 * 4 }} {{ 'a' ~ 1 ~ none }} {{ 1e20 }} {{ 0.1 + 0.2 }}"),
            "3 -4 2 3.5 1024 14 a1None 1e+20 0.30000000000000004");
  EXPECT_EQ(render("{{ 1 < 2 < 3 }} {{ 'a' in 'abc' }} {{ 2 not in [1, 2] }} {{ not false and true }} {{ 'x' if false else 'y' }}|{{ 'x' if false }}|"), "True True False True y||");
  EXPECT_EQ(render("{{ 'héllo'[1] }}{{ 'héllo'[-1] }} {{ 'héllo'[1:3] }} {{ 'abc'[::-1] }} {{ [1,2,3][-2:] }} {{ (1,) }} {{ {'a': [true, none, \"it's\"]} }}"),
            "éo él cba [2, 3] (1,) {'a': [True, None, \"it's\"]}");
  EXPECT_EQ(render("{{ 'a' 'b' }}{{ '\\u00e9\\n\\x41' }}{{ \"\\'\" }}"), "abé\nA'");
  EXPECT_EQ(render("{{ a.b.c }}|{{ a['b'].missing }}|{{ a.items() | list }}|{{ a.get('x', 5) }}", {{"a", {{"b", {{"c", 1}}}}}}), "1||[('b', {'c': 1})]|5");
  EXPECT_EQ(render("{{ ' a b  c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ 'xxaxx'.strip('x') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'abc'.startswith(('z', 'a')) }}"),
            "['a', 'b', 'c'] ['a', 'b,c'] ['a b', 'c'] a a-bX True");
}

TEST(Jinja, StatementsAndScopes) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}"), "231");
  EXPECT_EQ(render("{% set ns = namespace(n=0) %}{% for i in range(4) if i % 2 %}{% set ns.n = ns.n + i %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% else %}none{% endfor %}{{ ns.n }}"),
            "1/2,2/24");
  EXPECT_EQ(render("{% for i in [] %}x{% else %}none{% endfor %}{% for a, b in {'k': 1}.items() %}{{ a }}={{ b }}{% endfor %}"), "nonek=1");
  EXPECT_EQ(render("{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}"), "013");
  EXPECT_EQ(render("{% macro m(a, b='x') %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(b=2, a=3) }}{% set t %}in{{ m(0) }}{% endset %}{{ t | upper }}"), "<1x><32>IN<0X>");
  EXPECT_EQ(render("{% filter upper %}a{% endfilter %}{% generation %}g{% endgeneration %}{% macro w() %}[{{ caller() }}]{% endmacro %}{% call w() %}c{% endcall %}"), "Ag[c]");
}

TEST(Jinja, FiltersAndTests) {
  const Json items = {{"l", {{{"n", "b"}, {"v", 2}}, {{"n", "A"}, {"v", 1}}}}};
  EXPECT_EQ(render("{{ l | map(attribute='n') | join('-') }} {{ l | selectattr('v', 'equalto', 1) | list | length }} {{ (l | sort(attribute='n') | first).v }} {{ l | sum(attribute='v') }}", items), "b-A 1 1 3");
  EXPECT_EQ(render("{{ ['code', 'x'] | reject('equalto', 'code') | list | join(', ') }} {{ ' x ' | trim }} {{ none | default('d') }} {{ nope | default('d') }} {{ '' | default('d', true) }}"), "x x None d d");
  EXPECT_EQ(render("{{ {'b': 1, 'a': [1.0, \"é\\\"\"]} | tojson }} {{ {'a': [1], 'e': {}} | tojson(indent=2) }}"), "{\"b\": 1, \"a\": [1.0, \"é\\\"\"]} {\n  \"a\": [\n    1\n  ],\n  \"e\": {}\n}");
  EXPECT_EQ(render("{{ x is defined }} {{ 'a' is string }} {{ {} is mapping }} {{ [] is iterable }} {{ 4 is divisibleby 2 }} {{ none is none }} {{ 1 is not number }} {{ true is boolean }}"),
            "False True True True True True False True");
  EXPECT_EQ(render("{{ '12' | int + 1 }} {{ 'x' | int }} {{ 2.5 | round }} {{ 'hello world' | title }} {{ 'a\nb' | indent(2) }} {{ [3, 1, 2] | sort | reverse | list }}"), "13 0 2.0 Hello World a\n  b [3, 2, 1]");
}

TEST(Jinja, ErrorsNameTheLineAndTheCause) {
  EXPECT_EQ(error_of("a\n{{ raise_exception('roles must alternate') }}"), "chat template:2: roles must alternate");
  EXPECT_EQ(error_of("{{ x.y }}"), "chat template:1: 'x' is undefined");
  EXPECT_EQ(error_of("{{ 'a' + 1 }}"), "chat template:1: + cannot be used between a str and a int");
  EXPECT_EQ(error_of("{% if x %}\n"), "chat template:1: the template ends where {% endif %} is missing");
  EXPECT_EQ(error_of("{% include 'x' %}"), "chat template:1: {% include %} is not supported");
  EXPECT_EQ(error_of("{{ x | frobnicate }}"), "chat template:1: the filter \"frobnicate\" is not supported");
  EXPECT_EQ(error_of("{{ (1 }}"), "chat template:1: unexpected '}'");
  EXPECT_EQ(error_of("{{ 'abc }}"), "chat template:1: a string is not closed");
  EXPECT_EQ(error_of("{% set x.y = 1 %}", {{"x", {{"y", 0}}}}), "chat template:1: only members of a namespace can be set");
  EXPECT_EQ(error_of("{{ [1].append(2) }}"), "chat template:1: append is not allowed: values in a template do not change");
}

TEST(Jinja, ForeignTemplatesCannotRunAway) {
  EXPECT_EQ(error_of("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"), "chat template:1: the template does not come to an end");
  EXPECT_EQ(error_of("{{ range(1000000) }}"), "chat template:1: a range of more than 100000 items");
  EXPECT_EQ(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "chat template:1: the macro m calls itself too deeply");
  EXPECT_EQ(error_of(std::string(5000, '(')), "no error");
  EXPECT_EQ(error_of("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}"), "chat template:1: the template is nested too deeply");
  EXPECT_EQ(error_of("{% set n = namespace(x=[]) %}{% for i in range(9000) %}{% set n.x = [n.x] %}{% endfor %}"), "chat template:1: a value is nested too deeply");
  EXPECT_EQ(error_of("{{ 'a' * 1000000000 }}"), "chat template:1: a repetition is too long");
}

}  // namespace foil::text
