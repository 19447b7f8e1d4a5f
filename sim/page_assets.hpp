// The texts of report.html, made part of the program at build time: sim/page/, and uPlot where npm had it. Without
// uPlot the page draws plain lines itself.
#pragma once

#include <string_view>

namespace presmesh::sim {

extern const std::string_view page_template;
extern const std::string_view page_style;
extern const std::string_view page_script;
extern const std::string_view uplot_js;   ///< empty when there was none
extern const std::string_view uplot_css;  ///< empty when there was none

}  // namespace presmesh::sim
