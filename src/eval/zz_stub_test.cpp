#include "verify/verify.h"
namespace foil::verify { std::vector<int> classes(const std::vector<std::string>& a, const Options&) { std::vector<int> r; for (size_t i=0;i<a.size();++i){ int c=int(i); for(size_t j=0;j<i;++j) if(a[j]==a[i]){c=r[j];break;} r.push_back(c);} return r; } }
