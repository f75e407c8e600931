//! The page that lists every flag of udocker and what becomes of it, and each of its rows tried.

#[test]
fn the_page_is_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/help/udocker.md");
    let page = coracle::cli::udocker_page();
    if std::env::var_os("CORACLE_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &page).expect("the source can be written");
    }
    let there = std::fs::read_to_string(path).expect("the page is there");
    assert!(
        there == page,
        "run this test again with CORACLE_WRITE_GOLDEN=1"
    );
}
