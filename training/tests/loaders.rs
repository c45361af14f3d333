//! Traces are read as published, and what is not is named by row and column. All rows here are made
//! up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::command::WorkOutcome;
use conclave_training::job::Ending;
use conclave_training::trace::{Rows, gentd, openb};

const REQUESTS: &str = "\
gmt_create,predict_type,predict_status,exec_time_seconds,groupId,prompt_length,\
negative_prompt_length,num_images_per_prompt,num_inference_steps,checkpoint_model_version_id,\
num_lora
2031-01-02 00:00:10,IMG_2_IMG,FAILED,7.0,B,1.0,,2.0,10.0,M,3
2031-01-02 00:00:00,TXT_2_IMG,SUCCEED,5.5,A,1.0,,1.0,20.0,M,0
2031-01-02 00:00:20,INPAINTING,PENDING,,A,1.0,,,,M,
";
const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn,64000,262144,4,X\n";
const TASKS: &str = "\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,\
scheduled_time
a,1000,10,1,1000,X|Y,LS,Failed,100,200,150
b,1000,10,1,1000,X|Y,LS,Running,200,4000000,250
c,1000,10,1,500,,BE,Pending,200,300,
";

fn rows(text: &str) -> Rows {
    Rows::parse("fixture", text.as_bytes()).unwrap()
}

#[test]
fn gentd_groups_are_tenants_and_rows_are_sorted() {
    let scenario = gentd::scenario(&rows(REQUESTS)).unwrap();
    let found: Vec<_> =
        scenario.jobs.iter().map(|job| (job.tenant, job.expected_ms, job.run_ms)).collect();
    // Nobody saw the end of the last one.
    assert_eq!(found, [(1, 14_000, 5_500), (0, 8_000, 7_000)]);
    assert_eq!(scenario.jobs[1].at_ms - scenario.jobs[0].at_ms, 10_000);
    let endings = scenario.jobs.iter().map(|job| job.ending);
    let released = Ending::Released;
    assert!(endings.eq([released(WorkOutcome::Succeeded), released(WorkOutcome::Failed)]));
    assert_eq!(scenario.tenants.len(), 2);
}

#[test]
fn openb_shapes_are_tenants_and_what_never_ran_is_left_out() {
    let scenario = openb::scenario(&rows(NODES), &rows(TASKS)).unwrap();
    assert_eq!((scenario.tenants.len(), scenario.jobs.len()), (1, 2));
    let [first, second] = scenario.jobs.as_slice() else { panic!("two jobs") };
    assert_eq!((first.run_ms, first.expected_ms, first.priority), (50_000, 300_000, 7));
    assert_eq!(first.gpu_models, ["X", "Y"]);
    // Longer than a day is cut.
    assert_eq!(second.run_ms, 24 * 3_600_000);
    // Each is a tenth of its own here: the first has 50 GPU seconds of work for 4 GPUs.
    assert_eq!((first.at_ms, second.at_ms), (0, 12_500));
}

#[test]
fn what_is_not_as_published_is_named() {
    let bad = |from: &str, to: &str| {
        let error = gentd::scenario(&rows(&REQUESTS.replace(from, to))).unwrap_err();
        error.to_string()
    };
    let wrong = bad("FAILED", "EXPLODED");
    assert!(wrong.contains("fixture:2: predict_status 'EXPLODED'"), "{wrong}");
    assert!(bad("2031-01-02 00:00:00", "yesterday").contains("fixture:3: gmt_create"));
    assert!(bad("groupId", "group").contains("groupId is missing"));
    assert!(bad("20.0", "many").contains("num_inference_steps 'many' is no number"));
    let empty = openb::scenario(&rows(NODES), &rows(TASKS.lines().next().unwrap()));
    assert!(empty.unwrap_err().to_string().contains("the task list is empty"));
    assert!(Rows::parse("x", b"a,b\n1\n").is_err());
}
