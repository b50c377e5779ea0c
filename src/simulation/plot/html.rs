//! Tables and figures in one file that needs nothing else.

use std::fmt::Write as _;

use super::canvas::escaped;

const STYLE: &str = "body{font:16px/1.5 Inter,'Helvetica Neue',Arial,sans-serif;color:#222;\
max-width:1000px;margin:2rem auto;padding:0 1rem}h1{font-size:1.7rem}h2{font-size:1.2rem;\
margin-top:2.2rem}table{border-collapse:collapse;margin:1rem 0;font-size:.92rem}\
th,td{padding:.3rem .9rem .3rem 0;text-align:left;border-bottom:1px solid #e4e4e4;\
font-variant-numeric:tabular-nums}th{color:#6b6b6b;font-weight:600}\
svg{max-width:100%;height:auto}code{font-size:.9em;overflow-wrap:anywhere}\
.wide{overflow-x:auto}";

/// A table of a report: a heading, the heads of the columns, the rows.
pub type Section = (String, Vec<String>, Vec<Vec<String>>);

/// One HTML page with tables and figures; it loads nothing.
#[must_use]
pub fn html(title: &str, summary: &str, sections: &[Section], figures: &[String]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n\
         <style>{STYLE}</style>\n<h1>{0}</h1>\n<p>{1}</p>\n",
        escaped(title),
        escaped(summary)
    );
    for figure in figures {
        // Writing to a string can't fail.
        let _ = writeln!(page, "<figure style=\"margin:0\">{figure}</figure>");
    }
    for (heading, heads, rows) in sections {
        let _ = writeln!(
            page,
            "<h2>{}</h2>\n<div class=\"wide\"><table><tr>",
            escaped(heading)
        );
        for head in heads {
            let _ = write!(page, "<th>{}</th>", escaped(head));
        }
        page.push_str("</tr>\n");
        for row in rows {
            page.push_str("<tr>");
            for cell in row {
                let _ = write!(page, "<td>{}</td>", escaped(cell));
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n");
    }
    page.push_str("</html>\n");
    page
}
