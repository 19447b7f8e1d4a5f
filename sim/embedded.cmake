# What is made part of the simulator at build time: the scenarios it brings, and the page of its reports with uPlot in it.
# Sets `embedded` to the sources.
file(GLOB scenarios CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/scenarios/*.toml)
set(embed ${CMAKE_CURRENT_SOURCE_DIR}/embed.cmake)
set(presets ${CMAKE_CURRENT_BINARY_DIR}/presets.cpp)
add_custom_command(OUTPUT ${presets}
    COMMAND ${CMAKE_COMMAND} -DKIND=preset -DOUT=${presets} "-DFILES=${scenarios}" -P ${embed}
    DEPENDS ${scenarios} ${embed} VERBATIM)

# uPlot comes from npm, once, when this is configured; without npm or a network the page draws plainer pictures itself.
set(page ${CMAKE_CURRENT_SOURCE_DIR}/page)
set(npm_folder ${CMAKE_CURRENT_BINARY_DIR}/npm)
set(uplot ${npm_folder}/node_modules/uplot/dist)
if(NOT EXISTS ${uplot}/uPlot.iife.min.js)
  find_program(NPM npm)
  if(NPM)
    file(COPY ${page}/package.json DESTINATION ${npm_folder})
    execute_process(COMMAND ${NPM} install --prefix ${npm_folder} --no-package-lock --no-audit --no-fund --ignore-scripts
        WORKING_DIRECTORY ${npm_folder} TIMEOUT 60 OUTPUT_QUIET ERROR_QUIET)
  endif()
endif()
set(uplot_files "")
if(EXISTS ${uplot}/uPlot.iife.min.js)
  set(uplot_files ${uplot}/uPlot.iife.min.js ${uplot}/uPlot.min.css)
else()
  message(STATUS "uPlot is not there (no npm, or no network): the simulator's reports draw plain lines")
endif()
set(assets ${CMAKE_CURRENT_BINARY_DIR}/page_assets.cpp)
set(asset_files ${page}/page.html ${page}/page.css ${page}/page.js)
add_custom_command(OUTPUT ${assets}
    COMMAND ${CMAKE_COMMAND} -DKIND=page -DOUT=${assets} "-DFILES=${asset_files};${uplot}/uPlot.iife.min.js;${uplot}/uPlot.min.css"
        "-DNAMES=page_template;page_style;page_script;uplot_js;uplot_css" -P ${embed}
    DEPENDS ${asset_files} ${uplot_files} ${embed} VERBATIM)
set(embedded ${presets} ${assets})
