-- The ledger of ledger-v2.sql as the migration of commit 2d39be6, of schema version 3, leaves it.
BEGIN TRANSACTION;
CREATE TABLE executions (
	study INTEGER NOT NULL, 
	id INTEGER NOT NULL, 
	trial INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	seeds JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	resume_from TEXT, 
	token INTEGER NOT NULL, 
	asked_at FLOAT NOT NULL, 
	started_at FLOAT, 
	finished_at FLOAT, 
	failure TEXT, 
	PRIMARY KEY (study, id), 
	FOREIGN KEY(study, trial) REFERENCES trials (study, number), 
	UNIQUE (study, trial, attempt)
);
INSERT INTO "executions" VALUES(1,1,0,1,'[0, 1]','COMPLETE',NULL,1,1.79543460607473921771e+09,1.79543460607790136343e+09,1.79543460608038783071e+09,NULL);
INSERT INTO "executions" VALUES(1,2,1,1,'[0, 1]','FAIL',NULL,1,1.79543460608213043209e+09,1.79543460608324885368e+09,1.79543460608434486385e+09,'NonFiniteError: seed 1: the loss is nan');
INSERT INTO "executions" VALUES(1,3,2,1,'[0, 1]','RUNNING',NULL,1,1.79543460608551549905e+09,1.79543460608666300771e+09,NULL,NULL);
CREATE TABLE lease (
	study INTEGER NOT NULL, 
	token INTEGER NOT NULL, 
	pid INTEGER, 
	host VARCHAR(255), 
	acquired_at FLOAT, 
	renewed_at FLOAT, 
	released_at FLOAT, process_started_at FLOAT, expires_at FLOAT, stop_requested_at FLOAT, 
	PRIMARY KEY (study), 
	FOREIGN KEY(study) REFERENCES studies (id)
);
INSERT INTO "lease" VALUES(1,1,4242,'driver-host',1.79543460607126474379e+09,1.79543460608728718758e+09,1.79543460608775162692e+09,NULL,NULL,NULL);
CREATE TABLE ledger_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "ledger_schema" VALUES(3);
CREATE TABLE seed_runs (
	study INTEGER NOT NULL, 
	trial INTEGER NOT NULL, 
	seed INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	env_steps INTEGER NOT NULL, 
	iterations INTEGER NOT NULL, 
	mean_return FLOAT, 
	mean_cost JSON, 
	multiplier JSON, 
	failure TEXT, cohort INTEGER DEFAULT '0' NOT NULL, measures JSON, rungs JSON, 
	PRIMARY KEY (study, trial, seed), 
	FOREIGN KEY(study, trial) REFERENCES trials (study, number)
);
INSERT INTO "seed_runs" VALUES(1,0,0,0,'COMPLETE',20000,10,90.0,'{"cost": 30.0}','{"cost": 0.0}',NULL,0,NULL,NULL);
INSERT INTO "seed_runs" VALUES(1,0,1,1,'COMPLETE',20000,10,91.0,'{"cost": 31.0}','{"cost": 0.0}',NULL,0,NULL,NULL);
INSERT INTO "seed_runs" VALUES(1,1,0,0,'FAIL',0,0,NULL,NULL,NULL,'NonFiniteError: seed 1: the loss is nan',0,NULL,NULL);
INSERT INTO "seed_runs" VALUES(1,1,1,1,'FAIL',0,0,NULL,NULL,NULL,'NonFiniteError: seed 1: the loss is nan',0,NULL,NULL);
INSERT INTO "seed_runs" VALUES(1,2,0,0,'RUNNING',8000,4,40.0,'{"cost": 3.0}','{"cost": 2.0}',NULL,0,NULL,NULL);
INSERT INTO "seed_runs" VALUES(1,2,1,1,'RUNNING',8000,4,41.0,'{"cost": 4.0}','{"cost": 2.0}',NULL,0,NULL,NULL);
CREATE TABLE studies (
	id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	spec_json TEXT NOT NULL, 
	spec_sha256 VARCHAR(64) NOT NULL, 
	created_at FLOAT NOT NULL, checkpoints TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "studies" VALUES(1,'profile','{"name":"profile","task":"analytic/ring","algorithm":"ppo_lagrangian","cost_limit":12.0,"env_steps":20000,"seeds":2,"hyperparameters":{"steps_per_iteration":20000,"num_envs":10,"num_epochs":40,"minibatch_size":64,"actor_lr":0.0003,"critic_lr":0.0003,"lr_decay":"linear","gamma":0.99,"lambda_":0.95,"cost_gamma":0.99,"cost_lambda":0.95,"clip_param":0.2,"target_kl":0.02,"entropy_coeff":0.0,"grad_clip":40.0,"critic_norm_coeff":0.001,"hidden_sizes":[64,64],"normalize_observations":true,"objective":"mixed","scale_invariance":"off","scale_ema":0.9,"scale_init":"first","cost_window":"iteration","preset":"paper"},"arms":{"fixed":{"lagrangian":{"update":"fixed","multiplier":0.0},"search":{"kind":"grid","multiplier":[0.0,0.5,2.0]}},"pid":{"lagrangian":{"init":0.001,"cost_ema":0.0,"warmup_iterations":0,"update_every":1,"limit_shape":"step","limit_iterations":100,"update":"pid","form":"omnisafe","kp":0.1,"ki":0.01,"kd":0.01,"ema_p":0.95,"ema_d":0.95,"delay":10,"sum_norm":true,"diff_norm":false,"penalty_max":100.0},"search":{"kind":"optuna","sampler":"tpe","trials":2,"objectives":{"return":"maximize"},"space":{"kp":{"low":0.01,"high":1.0,"log":false,"type":"float"}}}}},"study_seed":0}','5a7230fa67faa07a54d27b28ec0464f80d1aa9b3c8ebc2892e9f3bbd25b33080',1.79543460606278181077e+09,NULL);
CREATE TABLE trials (
	study INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	arm VARCHAR(255) NOT NULL, 
	params JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	mean_return JSON, 
	mean_cost JSON, 
	feasible BOOLEAN, 
	failure TEXT, 
	created_at FLOAT NOT NULL, 
	finished_at FLOAT, continued BOOLEAN DEFAULT 0 NOT NULL, retest_of INTEGER, 
	PRIMARY KEY (study, number), 
	UNIQUE (study, "key"), 
	FOREIGN KEY(study) REFERENCES studies (id)
);
INSERT INTO "trials" VALUES(1,0,'fixed:{"multiplier":0}','fixed','{"multiplier": 0.0}','COMPLETE','{"mean": 90.5, "low": 84.1, "high": 96.9, "num_seeds": 2}','{"cost": {"mean": 30.5, "low": 24.1, "high": 36.9, "num_seeds": 2}}',0,NULL,1.79543460606380891799e+09,1.79543460608104825026e+09,0,NULL);
INSERT INTO "trials" VALUES(1,1,'fixed:{"multiplier":0.5}','fixed','{"multiplier": 0.5}','FAIL',NULL,NULL,NULL,'NonFiniteError: seed 1: the loss is nan',1.79543460606380891799e+09,1.79543460608468580241e+09,0,NULL);
INSERT INTO "trials" VALUES(1,2,'fixed:{"multiplier":2}','fixed','{"multiplier": 2.0}','RUNNING',NULL,NULL,NULL,NULL,1.79543460606380891799e+09,NULL,0,NULL);
CREATE INDEX trials_by_state ON trials (study, state, number);
CREATE INDEX executions_by_state ON executions (study, state);
COMMIT;
