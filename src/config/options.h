// Option structs: one field list drives defaults, YAML, --set, --help and the resolved configuration.
//
//   struct GrpoOptions {
//     int group_size = 8;
//     template <class V> void visit(V& v) { v("group_size", group_size, "completions per problem"); }
//     void validate(const std::string& where) const;  // cross-field rules; optional
//   };
//
// A visitor V is called v(name, reference, help) for a scalar (bool, int, int64_t, double, std::string, vectors of those,
// std::optional of those, enums through a to/from text pair) and v.group(name, struct, help) for a nested struct.
// Each room's option structs stay free of this header: `visit` is a template.
#pragma once
