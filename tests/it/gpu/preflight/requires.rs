//! `NVIDIA_REQUIRE_*`: what surely fails is said, what is met or cannot be told is not.

use coracle::gpu::requires::unmet;

/// Whether rules fail on a host with that driver.
#[track_caller]
fn check(driver: &str, rules: &str, fails: bool) {
    let said = unmet(&[("NVIDIA_REQUIRE_CUDA", rules)], driver, None);
    assert_eq!(!said.is_empty(), fails, "{rules} with {driver}: {said:?}");
}

#[test]
fn the_driver_is_compared_number_by_number() {
    for (rule, fails) in [
        ("driver>=470", false),
        ("driver>=470.57.02", false),
        ("driver>=470.57.2", false),
        ("driver>470.57.02", true),
        ("driver>=470.100", true),
        ("driver<471", false),
        ("driver<470", true),
        ("driver<=470.57.02", false),
        ("driver<=470", true),
        ("driver=470.57.2", false),
        ("driver=470", true),
        ("driver==470.57.2", false),
        ("driver!=470.57.2", true),
        ("driver!=470", false),
        ("driver<1000", false),
    ] {
        check("470.57.02", rule, fails);
    }
}

#[test]
fn cuda_follows_from_the_branch() {
    for (driver, newest, beyond) in [
        ("346.46", "7.0", "7.5"),
        ("367.48", "8.0", "9.0"),
        ("375.26", "8.0", "9.0"),
        ("418.39", "10.1", "10.2"),
        ("450.36", "11.0", "11.1"),
        ("470.57.02", "11.4", "11.5"),
        ("535.261.03", "12.2", "12.3"),
        ("580.65.06", "13.0", "13.1"),
    ] {
        check(driver, &format!("cuda>={newest}"), false);
        check(driver, &format!("cuda={newest}"), false);
        check(driver, &format!("cuda>={beyond}"), true);
        check(driver, &format!("cuda<{newest}"), true);
    }
    // Two digits are more than one.
    check("450.36", "cuda>=9.2", false);
}

#[test]
fn what_a_later_driver_brings_is_open() {
    for (rule, fails) in [
        ("cuda>=13.0", false),
        ("cuda>=13.4", false),
        ("cuda=13.0", false),
        ("cuda<=12.9", true),
        ("cuda=12.9", true),
        ("cuda<13.0", true),
        ("cuda<13.1", false),
        ("cuda!=12.9", false),
        ("cuda>=99", false),
    ] {
        check("600.10", rule, fails);
    }
    // Older than the first that is known.
    check("304.1", "cuda>=99", false);
    check("304.1", "driver>=470", true);
}

#[test]
fn a_comma_means_and_a_space_means_or() {
    check("470.57.02", "driver>=470,driver<471", false);
    check("480.1", "driver>=470,driver<471", true);
    check(
        "480.1",
        "driver>=470,driver<471 driver>=480,driver<481",
        false,
    );
    check("480.1", "driver<470 driver>=490", true);
    // As NVIDIA's images have it: the first fails, the others only where the driver is none that they name.
    let image =
        "cuda>=12.4 brand=tesla,driver>=470,driver<471 brand=unknown,driver>=470,driver<471";
    check("470.57.02", image, false);
    check("460.1", image, true);
    check("550.54.15", image, false);
}

#[test]
fn what_cannot_be_told_fails_only_beside_what_does() {
    check("470.57.02", "brand=tesla", false);
    check("470.57.02", "arch>=9.0", false);
    check("470.57.02", "arch>=9.0,cuda>=99", true);
    for rubbish in [
        "",
        " ",
        ",",
        "cuda",
        "cuda>=",
        ">=1",
        "cuda>=x",
        "cuda=>1",
        "cuda>=+1",
        "cuda>=1.2.3.4.5",
        "=",
        "é>=1",
    ] {
        check("470.57.02", rubbish, false);
    }
    check("470.57.02", "cuda>=99999999999999999999", false);
}

#[test]
fn cuda_is_that_of_the_package_that_comes_first() {
    let rules = [("NVIDIA_REQUIRE_CUDA", "cuda>=12.4,driver<471")];
    assert!(!unmet(&rules, "470.57.02", None).is_empty());
    assert!(unmet(&rules, "470.57.02", Some("550.54.15")).is_empty());
    assert!(!unmet(&rules, "470.57.02", Some("545.1")).is_empty());
}

#[test]
fn several_variables_are_answered_each() {
    let environment = [
        ("NVIDIA_REQUIRE_CUDA", "cuda>=12.4"),
        ("NVIDIA_REQUIRE_DRIVER", "driver>=550"),
        ("NVIDIA_REQUIRE_JETPACK", "cuda>=99"),
        ("NVIDIA_REQUIRE_JETPACK_HOST_MOUNTS", "cuda>=99"),
        ("NVIDIA_REQUIRE_", "cuda>=99"),
        ("NVIDIA_VISIBLE_DEVICES", "cuda>=99"),
    ];
    let end = "the host's driver is 470.57.02, with CUDA 11.4; it may work all the same, else use an image for an older CUDA or a newer driver";
    assert_eq!(
        unmet(&environment, "470.57.02", None),
        [
            format!("the image wants `cuda>=12.4` (NVIDIA_REQUIRE_CUDA), {end}"),
            format!("the image wants `driver>=550` (NVIDIA_REQUIRE_DRIVER), {end}"),
        ]
    );
    assert!(unmet(&environment, "no version", None).is_empty());
}

#[test]
fn a_truth_switches_all_of_it_off() {
    for (value, off) in [
        ("true", true),
        ("1", true),
        ("yes", true),
        ("", false),
        ("0", false),
        ("False", false),
    ] {
        let environment = [
            ("NVIDIA_REQUIRE_CUDA", "cuda>=99"),
            ("NVIDIA_DISABLE_REQUIRE", value),
        ];
        assert_eq!(
            unmet(&environment, "470.57.02", None).is_empty(),
            off,
            "{value:?}"
        );
    }
}

#[test]
fn a_hostile_image_gets_a_bounded_answer() {
    let long = format!("cuda>=99,{}", "x".repeat(10_000));
    let said = unmet(&[("NVIDIA_REQUIRE_X", &long)], "470.57.02", None);
    assert!(
        said[0].chars().count() < 300 && said[0].contains('…'),
        "{said:?}"
    );
    let name = format!("NVIDIA_REQUIRE_{long}");
    let said = unmet(&[(&name, "cuda>=99")], "470.57.02", None);
    assert!(said[0].chars().count() < 300, "{said:?}");
    // Read half, it would be another rule.
    check("470.57.02", &"cuda>=99 ".repeat(10_000), false);
    let names: Vec<String> = (0..1000)
        .map(|number| format!("NVIDIA_REQUIRE_{number}"))
        .collect();
    let many: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "cuda>=99"))
        .collect();
    assert_eq!(unmet(&many, "470.57.02", None).len(), 64);
}
