#include "sim/page_assets.hpp"
#include "sim/report_json.hpp"

namespace presmesh::sim {

namespace {

/// Puts `value` where the template says {{name}}. What was put in is not looked at again.
std::string fill(std::string_view text, const std::vector<std::pair<std::string_view, std::string_view>>& values) {
    std::string out;
    while (true) {
        const auto begin = text.find("{{");
        const auto end = text.find("}}", begin == std::string_view::npos ? 0 : begin);
        out += text.substr(0, begin);
        if (begin == std::string_view::npos || end == std::string_view::npos) return out;
        const auto name = text.substr(begin + 2, end - begin - 2);
        for (const auto& [key, value] : values) {
            if (key == name) out += value;
        }
        text.remove_prefix(end + 2);
    }
}

std::string html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '&')
            out += "&amp;";
        else
            out += c;
    }
    return out;
}

/// Inside of a script element nothing may look like its end.
std::string in_script(std::string text) {
    for (std::size_t at = 0; (at = text.find("</", at)) != std::string::npos; at += 3) text.replace(at, 2, "<\\/");
    return text;
}

}  // namespace

std::string report_page(const std::string& title, const Json& points, const Json& missing) {
    Json rows = Json::array();
    for (const auto& row : measure_rows()) rows.push_back({row.name, row.unit, row.what});
    const auto data =
        in_script(Json{{"title", title}, {"rows", rows}, {"points", points}, {"missing", missing}}.dump());
    return fill(page_template, {{"TITLE", html(title)},
                                {"UPLOT_CSS", uplot_css},
                                {"UPLOT_JS", uplot_js},
                                {"STYLE", page_style},
                                {"SCRIPT", page_script},
                                {"DATA", data}});
}

}  // namespace presmesh::sim
