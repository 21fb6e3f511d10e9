// The page of an exam that is under way: follows it to its end, then shows its result.
import { showStage } from "./course.js";
import { follow } from "./follow.js";
import { remember } from "./history.js";
import { enliven, one } from "./page.js";

enliven();
const exam = one("course").dataset.exam;
remember(exam.split("/").pop());
follow(exam, { stage: showStage, ended: () => window.location.reload() });
