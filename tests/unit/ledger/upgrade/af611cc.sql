BEGIN TRANSACTION;
CREATE TABLE "Broadcasts" (
	"Id" INTEGER NOT NULL,
	"Broadcaster" VARCHAR(50) NOT NULL,
	"ListName" VARCHAR(255) NOT NULL,
	"StepId" INTEGER,
	"Run" INTEGER,
	"Parameters" VARCHAR,
	PRIMARY KEY ("Id")
);
INSERT INTO "Broadcasts" VALUES(1,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
INSERT INTO "Broadcasts" VALUES(2,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
INSERT INTO "Broadcasts" VALUES(3,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
INSERT INTO "Broadcasts" VALUES(4,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
INSERT INTO "Broadcasts" VALUES(5,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
INSERT INTO "Broadcasts" VALUES(6,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
INSERT INTO "Broadcasts" VALUES(7,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
INSERT INTO "Broadcasts" VALUES(8,'Optimizely','Customers',4711,1,'ListName=Customers;MessageName=Spring Newsletter');
CREATE TABLE "BroadcastsDetail" (
	"Id" INTEGER NOT NULL,
	"BroadcastId" INTEGER NOT NULL,
	"ActionType" VARCHAR(50) NOT NULL,
	"Status" VARCHAR(50) NOT NULL,
	"Parameters" VARCHAR,
	"BroadcasterTransactionId" VARCHAR(255),
	"RecipientsUploaded" INTEGER,
	"RecipientsRejected" INTEGER,
	"RecipientsBroadcast" INTEGER,
	PRIMARY KEY ("Id"),
	FOREIGN KEY("BroadcastId") REFERENCES "Broadcasts" ("Id")
);
INSERT INTO "BroadcastsDetail" VALUES(1,1,'Prepared','Completed','BroadcastKey=J1-27815175;CampaignId=50118200106;MailingId=60733900506;','J1-27815175',19,1,NULL);
INSERT INTO "BroadcastsDetail" VALUES(2,1,'Delivered','Completed','BroadcastKey=J1-27815175;CampaignId=50118200106;MailingId=60733900506;','60733900506',19,0,19);
INSERT INTO "BroadcastsDetail" VALUES(3,2,'Prepared','Completed','BroadcastKey=J2-02e3046f;CampaignId=50118200107;MailingId=60733900507;','J2-02e3046f',20,0,NULL);
INSERT INTO "BroadcastsDetail" VALUES(4,3,'Prepared','Completed','BroadcastKey=J3-b6f41044;CampaignId=50118200108;MailingId=60733900508;BatchId=9001;','9001',18,2,NULL);
INSERT INTO "BroadcastsDetail" VALUES(5,4,'Prepared','Completed','BroadcastKey=J4-698fba55;CampaignId=50118200109;MailingId=60733900509;','J4-698fba55',18,2,NULL);
INSERT INTO "BroadcastsDetail" VALUES(6,5,'Prepared','Completed','BroadcastKey=J5-5abddba6;','J5-5abddba6',19,1,NULL);
INSERT INTO "BroadcastsDetail" VALUES(7,6,'Prepared','Completed','BroadcastKey=J6-40586b71;CampaignId=50118200110;MailingId=60733900510;','J6-40586b71',20,0,NULL);
INSERT INTO "BroadcastsDetail" VALUES(8,7,'Prepared','Completed','BroadcastKey=J7-b6f312a1;CampaignId=50118200112;MailingId=60733900512;','J7-b6f312a1',20,0,NULL);
INSERT INTO "BroadcastsDetail" VALUES(9,8,'Prepared','Completed','BroadcastKey=J8-0aaa1578;CampaignId=50118200113;MailingId=60733900513;','J8-0aaa1578',20,0,NULL);
CREATE TABLE "Response" (
	"Id" INTEGER NOT NULL,
	"Email" VARCHAR(320),
	"Urn" VARCHAR(255),
	"CommunicationKey" VARCHAR(64),
	"MessageType" VARCHAR(50) NOT NULL,
	"MessageName" VARCHAR(255),
	"DeliveryDate" DATETIME,
	"ClickUrl" VARCHAR(2000),
	"ClickDate" DATETIME,
	"EventTriggeredDate" DATETIME NOT NULL,
	"BroadcastId" INTEGER,
	PRIMARY KEY ("Id"),
	FOREIGN KEY("BroadcastId") REFERENCES "Broadcasts" ("Id")
);
INSERT INTO "Response" VALUES(1,'person.10@example.org','1000010','57e54acc-62f5-480c-8fdf-8e1a060cea63','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(2,'person.11@mail.example.org','1000011','6d39eb43-ad9c-4dde-819d-7ca7b46108cc','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(3,'person.12@example.com','1000012','0c250a03-e023-433d-b64e-433ff7c882f4','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(4,'person.13@xn--bcher-kva.example','1000013','de26e655-d3f2-4dcc-abe8-8b4675fa6dd8','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(5,'person.14@xn--bcher-kva.example','1000014','4806aa81-e651-40b5-a6fe-c086df229650','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(6,'person.15@xn--bcher-kva.example','1000015','88534206-fc4a-447e-8498-72c67c081bb7','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(7,'person.16@example.org','1000016','f1a9a658-de0f-49a7-bc35-612e4a8d15d8','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(8,'person.17@example.org','1000017','90e32e82-3945-4353-8cde-ce75921ebce6','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(9,'person.18@example.org','1000018','e2934bf1-d37c-4961-9d77-5b7c69dd6493','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(10,'person.19@mail.example.org','1000019','a6ecc31f-3526-4b45-99a2-105c50806f01','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(11,'person.1@xn--bcher-kva.example','1000001','1027c4d1-c386-4bc4-8d61-3e30d8f16adf','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(12,'person.20@example.org','1000020','9e289761-c8fe-45d7-b716-e7ea40041e00','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(13,'person.2@mail.example.org','1000002','3a902931-cd44-4e35-b8b6-d8fe442e3d43','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(14,'person.3@mail.example.org','1000003','3b1a11df-587f-4280-bbab-6c398d88348a','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(15,'person.4@xn--bcher-kva.example','1000004','3099fdf5-ab99-454a-a901-e35cd47d380d','Send','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 17:12:00.000000',1);
INSERT INTO "Response" VALUES(16,'person.5@example.net','1000005','c69d4bd8-b3fa-4aa7-a1fa-b9d78c7e134f','Send','Spring Newsletter','2026-02-02 17:13:00.000000',NULL,NULL,'2026-02-02 17:13:00.000000',1);
INSERT INTO "Response" VALUES(17,'person.6@example.com','1000006','fb695ffb-3a18-40c7-8092-b4d42b28fef0','Send','Spring Newsletter','2026-02-02 17:13:00.000000',NULL,NULL,'2026-02-02 17:13:00.000000',1);
INSERT INTO "Response" VALUES(18,'person.8@xn--bcher-kva.example','1000008','a2a7ae1f-3ac7-452c-8df8-440407295e42','Send','Spring Newsletter','2026-02-02 17:13:00.000000',NULL,NULL,'2026-02-02 17:13:00.000000',1);
INSERT INTO "Response" VALUES(19,'person.9@example.com','1000009','9ff3078f-cc1b-4c3e-9c07-724e44c5b476','Send','Spring Newsletter','2026-02-02 17:13:00.000000',NULL,NULL,'2026-02-02 17:13:00.000000',1);
INSERT INTO "Response" VALUES(20,'person.10@example.net','1000010','2bb3b36f-2942-4c40-a1b7-379f0897246a','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(21,'person.11@example.net','1000011','86b4625b-475b-4109-ac4a-d652af3f5d78','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(22,'person.12@example.org','1000012','74300513-76e3-4f5a-ab63-ad02854efa60','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(23,'person.13@example.org','1000013','5dbe3b83-7ad4-4a77-8d7a-cfcba9cd8311','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(24,'person.14@mail.example.org','1000014','7c61838c-a325-40ae-a921-f4be0f5b8e2c','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(25,'person.15@xn--bcher-kva.example','1000015','7695df95-b746-46e4-a44b-c1f25f96c801','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(26,'person.16@example.org','1000016','4a6ec74a-7f79-4eaf-b4af-8aa6b9387e62','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(27,'person.17@xn--bcher-kva.example','1000017','b2ff0a7a-addc-420e-b214-0e476d7ab8b8','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(28,'person.18@example.net','1000018','abb51d18-b559-48ca-bb50-aaf263fdf8f2','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(29,'person.19@mail.example.org','1000019','6777406b-3c04-48c7-b406-f5fcf287e1e5','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(30,'person.1@example.org','1000001','2b491044-d5e3-4124-9c6e-433715ba2bdd','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(31,'person.20@mail.example.org','1000020','54aa8ea2-8c2e-411a-b644-26d65c2ff4ed','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(32,'person.2@xn--bcher-kva.example','1000002','defc044a-0932-4626-a6b5-8de744ab6cce','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(33,'person.3@xn--bcher-kva.example','1000003','fec3f6b3-2e8d-4b8a-8f54-f8ceacaab39e','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(34,'person.4@xn--bcher-kva.example','1000004','ecc1cb63-4773-4e84-bd71-8d733ff98ff3','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(35,'person.5@mail.example.org','1000005','cc9c3adc-f515-4823-8da4-daeb4f3f8777','Send','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 17:22:00.000000',2);
INSERT INTO "Response" VALUES(36,'person.6@example.net','1000006','e020307a-aeb6-4b2c-ba03-8a709779ac1f','Send','Spring Newsletter','2026-02-02 17:23:00.000000',NULL,NULL,'2026-02-02 17:23:00.000000',2);
INSERT INTO "Response" VALUES(37,'person.7@example.org','1000007','067cfdcb-1145-4d9c-b45e-2fa01d7f4275','Send','Spring Newsletter','2026-02-02 17:23:00.000000',NULL,NULL,'2026-02-02 17:23:00.000000',2);
INSERT INTO "Response" VALUES(38,'person.8@example.net','1000008','be11d56b-a0b4-4296-9d80-55a9f03f2d71','Send','Spring Newsletter','2026-02-02 17:23:00.000000',NULL,NULL,'2026-02-02 17:23:00.000000',2);
INSERT INTO "Response" VALUES(39,'person.9@example.net','1000009','72a47403-0632-48da-9a1f-e3f9d6a179fa','Send','Spring Newsletter','2026-02-02 17:23:00.000000',NULL,NULL,'2026-02-02 17:23:00.000000',2);
INSERT INTO "Response" VALUES(40,'person.10@example.com','1000010','24469138-42fd-4f77-9ea5-486a6ac9573d','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(41,'person.11@example.net','1000011','e6941cdf-ccac-4657-b8a2-77a8a82b302f','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(42,'person.13@xn--bcher-kva.example','1000013','65520b8f-1daa-4702-81e0-f8f2e05d4bd0','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(43,'person.14@mail.example.org','1000014','9bae16e6-41c7-424a-9d5e-47588f90ffe9','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(44,'person.15@example.net','1000015','7c9539a1-c23a-4d93-bbd3-cd5a637d4bf4','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(45,'person.17@example.org','1000017','8b81be4a-1ef6-4403-8fd3-3f82a5ea2a22','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(46,'person.18@example.org','1000018','8b4923be-5032-4185-a85a-e7849c0a7a5d','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(47,'person.19@example.org','1000019','cf1c152e-ace6-41cb-a4d9-236f9b09f6d1','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(48,'person.1@example.net','1000001','7a97c643-6564-42a9-b8a1-abcd1a6916c7','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(49,'person.20@example.org','1000020','f30b5d73-8620-47a9-8525-45f09a90a0b9','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(50,'person.2@example.org','1000002','ed6f0b09-f165-48ce-b6e2-f24b43000de0','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(51,'person.3@xn--bcher-kva.example','1000003','793d0e45-3f50-4249-ad83-a8233fb62d2c','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(52,'person.4@example.net','1000004','0b11ad28-cc21-4e88-9006-0cc54278c261','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(53,'person.5@example.net','1000005','bf37a2be-6f98-4ca3-9b17-b9662f0733c8','Send','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:32:00.000000',4);
INSERT INTO "Response" VALUES(54,'person.6@example.org','1000006','e55b85dd-1525-4363-b281-b8885b69dc23','Send','Spring Newsletter','2026-02-02 17:33:00.000000',NULL,NULL,'2026-02-02 17:33:00.000000',4);
INSERT INTO "Response" VALUES(55,'person.7@mail.example.org','1000007','61b2ceba-4003-4ad6-a2ed-93874ac034cf','Send','Spring Newsletter','2026-02-02 17:33:00.000000',NULL,NULL,'2026-02-02 17:33:00.000000',4);
INSERT INTO "Response" VALUES(56,'person.8@example.org','1000008','bcb3fd50-0e26-4730-8fec-f10e0f30e005','Send','Spring Newsletter','2026-02-02 17:33:00.000000',NULL,NULL,'2026-02-02 17:33:00.000000',4);
INSERT INTO "Response" VALUES(57,'person.9@example.com','1000009','70562073-3dea-4ddd-b3a7-60e17a4e9ba3','Send','Spring Newsletter','2026-02-02 17:33:00.000000',NULL,NULL,'2026-02-02 17:33:00.000000',4);
INSERT INTO "Response" VALUES(58,'person.2@example.org','1000002','ed6f0b09-f165-48ce-b6e2-f24b43000de0','Bounce','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',4);
INSERT INTO "Response" VALUES(59,'person.10@mail.example.org','1000010','1cd0c151-2581-40f9-a6e0-53f7675ebe3b','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(60,'person.11@example.net','1000011','ab163406-b458-4e37-8f2f-39495d09dd29','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(61,'person.12@example.net','1000012','ac738c8c-a5be-4d6b-8016-e14dd111eb37','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(62,'person.13@example.com','1000013','da963a45-eff8-4f04-9cad-ed41d62cbf25','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(63,'person.14@example.com','1000014','9fc32bb5-70e9-4c05-9621-787d28f74587','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(64,'person.15@xn--bcher-kva.example','1000015','59e1adc4-771f-40ac-aa5d-89bd0920da71','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(65,'person.16@example.org','1000016','18463b8a-4d27-467d-9d12-89458cc8678b','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(66,'person.17@example.com','1000017','7a1eb92d-9059-429e-a1fb-aa7b988f5e88','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(67,'person.18@mail.example.org','1000018','7e502193-39f1-45a5-ba07-ba826e82d425','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(68,'person.19@mail.example.org','1000019','7a18755f-24ae-4f16-8951-6704edf6a199','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(69,'person.1@example.net','1000001','d76d4330-f144-4bea-b0c1-1fdecb91ce37','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(70,'person.20@example.com','1000020','279eb8d9-d80a-4f00-8487-3bea7d786d24','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(71,'person.3@example.com','1000003','fb7ff337-f5ca-43bf-b729-c619c60a3cab','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(72,'person.4@example.net','1000004','d1412584-4d25-4eb3-94f4-6a6910acff00','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(73,'person.5@example.net','1000005','f3001cee-05da-4467-b063-13fff9a01fe8','Send','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 17:34:00.000000',5);
INSERT INTO "Response" VALUES(74,'person.6@mail.example.org','1000006','e488b6c8-5ad3-4a32-8332-f05a58296818','Send','Spring Newsletter','2026-02-02 17:35:00.000000',NULL,NULL,'2026-02-02 17:35:00.000000',5);
INSERT INTO "Response" VALUES(75,'person.7@example.net','1000007','8b8e8f4e-b3de-48f9-ac98-37044692ba03','Send','Spring Newsletter','2026-02-02 17:35:00.000000',NULL,NULL,'2026-02-02 17:35:00.000000',5);
INSERT INTO "Response" VALUES(76,'person.8@example.org','1000008','58056ed0-980d-46ff-bd95-3dc23cc21779','Send','Spring Newsletter','2026-02-02 17:35:00.000000',NULL,NULL,'2026-02-02 17:35:00.000000',5);
INSERT INTO "Response" VALUES(77,'person.9@example.org','1000009','2634f16f-5f7c-45d8-af3f-02402b37d817','Send','Spring Newsletter','2026-02-02 17:35:00.000000',NULL,NULL,'2026-02-02 17:35:00.000000',5);
INSERT INTO "Response" VALUES(78,'person.19@example.org','1000019','cf1c152e-ace6-41cb-a4d9-236f9b09f6d1','Open','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 17:53:00.000000',4);
INSERT INTO "Response" VALUES(79,'person.7@example.org','1000007','067cfdcb-1145-4d9c-b45e-2fa01d7f4275','Click','Spring Newsletter','2026-02-02 17:23:00.000000','https://shop.example.com/search?q="boots"','2026-02-02 17:57:00.000000','2026-02-02 17:57:00.000000',2);
INSERT INTO "Response" VALUES(80,'person.13@example.com','1000013','da963a45-eff8-4f04-9cad-ed41d62cbf25','Open','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 18:02:00.000000',5);
INSERT INTO "Response" VALUES(81,'person.7@example.org','1000007','067cfdcb-1145-4d9c-b45e-2fa01d7f4275','Open','Spring Newsletter','2026-02-02 17:23:00.000000',NULL,NULL,'2026-02-02 18:24:00.000000',2);
INSERT INTO "Response" VALUES(82,'person.7@example.org','1000007','067cfdcb-1145-4d9c-b45e-2fa01d7f4275','Unsubscription','Spring Newsletter','2026-02-02 17:23:00.000000',NULL,NULL,'2026-02-02 18:28:00.000000',2);
INSERT INTO "Response" VALUES(83,'person.12@example.com','1000012','0c250a03-e023-433d-b64e-433ff7c882f4','Open','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 18:35:00.000000',1);
INSERT INTO "Response" VALUES(84,'person.13@example.org','1000013','5dbe3b83-7ad4-4a77-8d7a-cfcba9cd8311','Open','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 19:01:00.000000',2);
INSERT INTO "Response" VALUES(85,'person.11@example.net','1000011','86b4625b-475b-4109-ac4a-d652af3f5d78','Open','Spring Newsletter','2026-02-02 17:22:00.000000',NULL,NULL,'2026-02-02 19:02:00.000000',2);
INSERT INTO "Response" VALUES(86,'person.11@example.net','1000011','e6941cdf-ccac-4657-b8a2-77a8a82b302f','Open','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 19:12:00.000000',4);
INSERT INTO "Response" VALUES(87,'person.11@example.net','1000011','ab163406-b458-4e37-8f2f-39495d09dd29','Open','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 19:14:00.000000',5);
INSERT INTO "Response" VALUES(88,'person.12@example.com','1000012','0c250a03-e023-433d-b64e-433ff7c882f4','Click','Spring Newsletter','2026-02-02 17:12:00.000000','https://shop.example.com/größen/übersicht','2026-02-02 19:21:00.000000','2026-02-02 19:21:00.000000',1);
INSERT INTO "Response" VALUES(89,'person.1@example.org','1000001','2b491044-d5e3-4124-9c6e-433715ba2bdd','Click','Spring Newsletter','2026-02-02 17:22:00.000000','https://shop.example.com/unsubscribe','2026-02-02 19:15:00.000000','2026-02-02 19:15:00.000000',2);
INSERT INTO "Response" VALUES(90,'person.1@example.org','1000001','2b491044-d5e3-4124-9c6e-433715ba2bdd','Click','Spring Newsletter','2026-02-02 17:22:00.000000','https://shop.example.com/unsubscribe','2026-02-02 19:15:00.000000','2026-02-02 19:15:00.000000',2);
INSERT INTO "Response" VALUES(91,'person.4@example.net','1000004','0b11ad28-cc21-4e88-9006-0cc54278c261','Open','Spring Newsletter','2026-02-02 17:32:00.000000',NULL,NULL,'2026-02-02 19:48:00.000000',4);
INSERT INTO "Response" VALUES(92,'person.4@example.net','1000004','d1412584-4d25-4eb3-94f4-6a6910acff00','Open','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 19:50:00.000000',5);
INSERT INTO "Response" VALUES(93,'person.10@example.org','1000010','57e54acc-62f5-480c-8fdf-8e1a060cea63','Open','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 20:00:00.000000',1);
INSERT INTO "Response" VALUES(94,'person.13@example.com','1000013','da963a45-eff8-4f04-9cad-ed41d62cbf25','Open','Spring Newsletter','2026-02-02 17:34:00.000000',NULL,NULL,'2026-02-02 20:16:00.000000',5);
INSERT INTO "Response" VALUES(95,'person.2@mail.example.org','1000002','3a902931-cd44-4e35-b8b6-d8fe442e3d43','Open','Spring Newsletter','2026-02-02 17:12:00.000000',NULL,NULL,'2026-02-02 20:29:00.000000',1);
INSERT INTO "Response" VALUES(96,'person.7@example.net','1000007','8b8e8f4e-b3de-48f9-ac98-37044692ba03','Open','Spring Newsletter','2026-02-02 17:35:00.000000',NULL,NULL,'2026-02-02 20:56:00.000000',5);
INSERT INTO "Response" VALUES(97,'','1','K1','Open','',NULL,NULL,NULL,'2026-03-01 12:00:00.000000',NULL);
INSERT INTO "Response" VALUES(98,'','1','K1','Bounce','',NULL,NULL,NULL,'2026-03-01 12:00:00.000000',NULL);
INSERT INTO "Response" VALUES(99,'','1','K1','Open','',NULL,NULL,NULL,'2026-03-02 12:00:00.000000',NULL);
CREATE TABLE "ResponseDetails" (
	"Id" INTEGER NOT NULL,
	"Name" VARCHAR(255) NOT NULL,
	"Value" VARCHAR(4000),
	PRIMARY KEY ("Id", "Name"),
	FOREIGN KEY("Id") REFERENCES "Response" ("Id")
);
INSERT INTO "ResponseDetails" VALUES(58,'BounceType','HardBounce');
CREATE TABLE alert (
    kind VARCHAR(40) NOT NULL,
    subject VARCHAR(400) NOT NULL,
    text VARCHAR(2000) NOT NULL,
    raised_at DATETIME NOT NULL,
    seen_at DATETIME NOT NULL,
    cleared_at DATETIME,
    CONSTRAINT pk_alert PRIMARY KEY (kind, subject)
);
CREATE TABLE broadcast (
    id INTEGER NOT NULL,
    "key" VARCHAR(64) NOT NULL,
    source VARCHAR(20) NOT NULL,
    job_id BIGINT,
    held BOOLEAN NOT NULL,
    system VARCHAR(100) NOT NULL,
    list_name VARCHAR(255) NOT NULL,
    message_name VARCHAR(255) NOT NULL,
    delivery_file VARCHAR(400) NOT NULL,
    urn_column VARCHAR(255) NOT NULL,
    email_column VARCHAR(255) NOT NULL,
    communication_key_column VARCHAR(255) NOT NULL,
    step_id BIGINT,
    run BIGINT,
    parameters TEXT NOT NULL,
    channel VARCHAR(100) NOT NULL,
    route VARCHAR(20) NOT NULL,
    send_mode VARCHAR(20) NOT NULL,
    send_at DATETIME,
    state VARCHAR(20) NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    changed_at DATETIME NOT NULL,
    due_at DATETIME NOT NULL,
    attempts INTEGER NOT NULL,
    rows_read BIGINT,
    rows_uploaded BIGINT,
    rows_rejected BIGINT,
    rows_duplicate BIGINT,
    rows_suppressed BIGINT,
    list_id BIGINT,
    source_campaign_id BIGINT,
    source_mailing_id BIGINT,
    campaign_id BIGINT,
    mailing_id BIGINT,
    batch_id BIGINT,
    imported BIGINT,
    sent BIGINT,
    rs_broadcast_id BIGINT,
    ended_in VARCHAR(20),
    error_code VARCHAR(64),
    error VARCHAR(2000),
    cancel_requested_at DATETIME,
    reported_at DATETIME,
    released_at DATETIME,
    CONSTRAINT pk_broadcast PRIMARY KEY (id),
    CONSTRAINT uq_broadcast_key UNIQUE ("key")
);
INSERT INTO "broadcast" VALUES(1,'J1-27815175','job',1,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_144a0961-734f-439d-95d6-874c91bf17a4.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'closed',98,'2026-11-30 09:15:52.527266','2026-11-30 09:16:03.893638','2026-11-30 09:16:05.893640',0,20,19,1,0,0,40291413820,50118200100,60733900500,50118200106,60733900506,NULL,19,19,1,'sent',NULL,NULL,NULL,'2026-11-30 09:16:03.912763',NULL);
INSERT INTO "broadcast" VALUES(2,'J2-02e3046f','job',2,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_de163721-55bc-4df0-bb89-43d3c6864db4.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'sent',75,'2026-11-30 09:16:03.985003','2026-11-30 09:16:13.646484','2026-11-30 09:16:15.646486',0,20,20,0,0,0,40291413820,50118200100,60733900500,50118200107,60733900507,NULL,20,20,2,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(3,'J3-b6f41044','job',3,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_99648c89-406e-490b-b9dc-c0c8a71733db.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','sending batch','verify then start',NULL,'uploaded',7,'2026-11-30 09:16:13.799688','2026-11-30 09:16:15.196632','2026-11-30 09:16:17.196639',0,20,18,2,0,0,40291413825,50118200100,60733900500,50118200108,60733900508,9001,NULL,NULL,3,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(4,'J4-698fba55','job',4,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_cdec2170-2e9b-4a0c-b717-8c48334181f9.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'sending',65,'2026-11-30 09:16:15.464032','2026-11-30 09:16:24.021461','2026-11-30 09:16:26.021463',0,20,18,1,1,0,40291413820,50118200100,60733900500,50118200109,60733900509,NULL,18,NULL,4,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(5,'J5-5abddba6','job',5,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_1393ed52-9a2b-4b86-8326-357e1b4d7a32.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','closed loop','after import',NULL,'uploaded',7,'2026-11-30 09:16:24.258147','2026-11-30 09:16:25.321590','2026-11-30 09:16:27.321592',0,20,19,0,1,0,40291413820,50118200100,60733900500,NULL,NULL,NULL,NULL,NULL,5,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(6,'J6-40586b71','job',6,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_2b2f177d-5e6b-43f8-a0b7-f05705179bcc.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'imported',71,'2026-11-30 09:16:25.541353','2026-11-30 09:16:35.761628','2026-11-30 09:16:37.761630',0,20,20,0,0,0,40291413820,50118200100,60733900500,50118200110,60733900510,NULL,20,NULL,6,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(7,'J7-b6f312a1','job',7,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_b72a4d5a-33fd-46fd-b8cf-5315a38ff1c4.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'importing',57,'2026-11-30 09:16:35.974912','2026-11-30 09:16:40.835574','2026-11-30 09:16:42.835576',0,20,20,0,0,0,40291413820,50118200100,60733900500,50118200112,60733900512,NULL,NULL,NULL,7,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(8,'J8-0aaa1578','job',8,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_69afaa03-f171-45d6-afdd-3ee8002e5e61.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'uploaded',19,'2026-11-30 09:16:40.993759','2026-11-30 09:16:42.433000','2026-11-30 09:16:44.433002',0,20,20,0,0,0,40291413820,50118200100,60733900500,50118200113,60733900513,NULL,NULL,NULL,8,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(9,'J9-ef6edafb','job',9,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_d1ae4ddc-043c-4ef5-80a5-20de55f57840.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'prepared',5,'2026-11-30 09:16:42.535821','2026-11-30 09:16:43.237313','2026-11-30 09:16:45.237315',0,20,18,1,1,0,40291413820,50118200100,60733900500,50118200114,60733900514,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(10,'J10-5f1a0a74','job',10,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_dee5ec4c-5adf-420b-ad95-5f1f674e4dc7.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'staged',3,'2026-11-30 09:16:43.536822','2026-11-30 09:16:44.049010','2026-11-30 09:16:46.049012',0,20,19,0,1,0,40291413820,50118200100,60733900500,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(11,'J11-6183ff0b','job',11,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_3a6e6cb8-4c2a-41c3-ab78-713e2ec3eea5.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'claimed',1,'2026-11-30 09:16:44.366509','2026-11-30 09:16:44.366509','2026-11-30 09:16:44.366509',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(12,'J12-18d2c9ac','job',12,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_e3594b65-a501-4a8e-9a3c-0c9bd2970f26.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'failed',4,'2026-11-30 09:16:44.566031','2026-11-30 09:16:44.723319','2026-11-30 09:16:46.723326',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'claimed','delivery-file-column-missing','The header of the delivery file Optimizely_Customers_e3594b65-a501-4a8e-9a3c-0c9bd2970f26.txt has no column Kunden ID. Add the column to the broadcast, or correct its name in the channel''s Output Settings, and run the broadcast again.',NULL,'2026-11-30 09:16:44.756912',NULL);
INSERT INTO "broadcast" VALUES(13,'J13-970fdcd8','job',13,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_919d1abe-3b5a-4ca6-b5cb-a3e60ca47cde.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'needs_operator',3,'2026-11-30 09:16:44.862168','2026-11-30 09:16:45.009912','2026-11-30 09:16:47.009914',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'claimed',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "broadcast" VALUES(14,'J14-f248ab92','job',14,0,'Demo','Customers','Spring Newsletter','Optimizely_Customers_6b0c6941-9991-4f83-81c5-4c0f2055e3ad.txt','Kunden ID','Email','Communication Key',4711,1,'ListName=Customers;MessageName=Spring Newsletter','default','import job','verify then start',NULL,'cancelled',4,'2026-11-30 09:16:45.148973','2026-11-30 09:16:45.287519','2026-11-30 09:16:47.287521',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'claimed',NULL,NULL,'2026-11-30 09:16:45.148973','2026-11-30 09:16:45.392845',NULL);
CREATE TABLE effect (
    id INTEGER NOT NULL,
    broadcast_id INTEGER NOT NULL,
    kind VARCHAR(20) NOT NULL,
    natural_key VARCHAR(400) NOT NULL,
    intended_at DATETIME NOT NULL,
    tried_at DATETIME,
    tries INTEGER NOT NULL,
    done_at DATETIME,
    evidence TEXT NOT NULL,
    CONSTRAINT pk_effect PRIMARY KEY (id),
    CONSTRAINT fk_effect_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES broadcast (id),
    CONSTRAINT uq_effect_broadcast_id_kind UNIQUE (broadcast_id, kind)
);
INSERT INTO "effect" VALUES(1,1,'copy','Spring Newsletter [J1-27815175]','2026-11-30 09:15:53.339771','2026-11-30 09:15:53.385220',1,'2026-11-30 09:15:53.471161','{"campaign": 50118200106}');
INSERT INTO "effect" VALUES(2,1,'upload','/import/40291413820_J1-27815175.csv','2026-11-30 09:15:53.810379','2026-11-30 09:15:54.208520',1,'2026-11-30 09:15:54.333146','{"list_modified": "2026-02-02T08:00:00+00:00", "job_fired": "2026-02-02T16:00:00+00:00", "size": 3977, "verified": "2026-02-02T16:12:10+00:00"}');
INSERT INTO "effect" VALUES(3,1,'start','50118200106','2026-11-30 09:16:02.401433','2026-11-30 09:16:02.509347',1,'2026-11-30 09:16:02.584576','{"status": "started"}');
INSERT INTO "effect" VALUES(4,2,'copy','Spring Newsletter [J2-02e3046f]','2026-11-30 09:16:04.448581','2026-11-30 09:16:04.521082',1,'2026-11-30 09:16:04.573367','{"campaign": 50118200107}');
INSERT INTO "effect" VALUES(5,2,'upload','/import/40291413820_J2-02e3046f.csv','2026-11-30 09:16:04.742293','2026-11-30 09:16:05.113369',1,'2026-11-30 09:16:05.356729','{"list_modified": "2026-02-02T16:12:10+00:00", "job_fired": "2026-02-02T16:10:00+00:00", "size": 4002, "verified": "2026-02-02T16:22:10+00:00"}');
INSERT INTO "effect" VALUES(6,2,'start','50118200107','2026-11-30 09:16:12.418769','2026-11-30 09:16:12.504975',1,'2026-11-30 09:16:12.601154','{"status": "started"}');
INSERT INTO "effect" VALUES(7,3,'copy','J3-b6f41044','2026-11-30 09:16:14.329678','2026-11-30 09:16:14.385034',1,'2026-11-30 09:16:14.484440','{"batch": 9001}');
INSERT INTO "effect" VALUES(8,3,'upload','sending batch 9001','2026-11-30 09:16:14.814427','2026-11-30 09:16:14.902593',1,'2026-11-30 09:16:15.139534','{"chunk_rows": 1000, "told": 18, "valid": 18, "chunks": 1}');
INSERT INTO "effect" VALUES(9,4,'copy','Spring Newsletter [J4-698fba55]','2026-11-30 09:16:15.893621','2026-11-30 09:16:15.919111',1,'2026-11-30 09:16:16.009222','{"campaign": 50118200109}');
INSERT INTO "effect" VALUES(10,4,'upload','/import/40291413820_J4-698fba55.csv','2026-11-30 09:16:16.165807','2026-11-30 09:16:16.264097',1,'2026-11-30 09:16:16.416125','{"list_modified": "2026-02-02T16:22:10+00:00", "job_fired": "2026-02-02T16:20:00+00:00", "size": 3595, "verified": "2026-02-02T16:32:10+00:00"}');
INSERT INTO "effect" VALUES(11,4,'start','50118200109','2026-11-30 09:16:23.914346','2026-11-30 09:16:23.946074',1,'2026-11-30 09:16:23.986028','{"status": "started"}');
INSERT INTO "effect" VALUES(12,5,'start','J5-5abddba6','2026-11-30 09:16:24.834540','2026-11-30 09:16:24.854347',1,'2026-11-30 09:16:24.860748','{"status": "armed"}');
INSERT INTO "effect" VALUES(13,5,'upload','/closedloop/40291413820_J5-5abddba6.csv','2026-11-30 09:16:24.891705','2026-11-30 09:16:24.952008',1,'2026-11-30 09:16:25.304704','{"newest": "2026-02-02T16:23:30+00:00", "ids": [50118200109, 50118200108], "renaming": true, "size": 3990}');
INSERT INTO "effect" VALUES(14,6,'copy','Spring Newsletter [J6-40586b71]','2026-11-30 09:16:26.265343','2026-11-30 09:16:26.281259',1,'2026-11-30 09:16:26.317836','{"campaign": 50118200110}');
INSERT INTO "effect" VALUES(15,6,'upload','/import/40291413820_J6-40586b71.csv','2026-11-30 09:16:26.495642','2026-11-30 09:16:26.742778',1,'2026-11-30 09:16:26.926064','{"list_modified": "2026-02-02T16:32:10+00:00", "job_fired": "2026-02-02T16:30:00+00:00", "size": 4055, "verified": "2026-02-02T16:42:10+00:00"}');
INSERT INTO "effect" VALUES(16,7,'copy','Spring Newsletter [J7-b6f312a1]','2026-11-30 09:16:36.533327','2026-11-30 09:16:36.551412',1,'2026-11-30 09:16:36.596234','{"campaign": 50118200112}');
INSERT INTO "effect" VALUES(17,7,'upload','/import/40291413820_J7-b6f312a1.csv','2026-11-30 09:16:36.745815','2026-11-30 09:16:36.850146',1,'2026-11-30 09:16:36.910598','{"list_modified": "2026-02-02T16:42:10+00:00", "job_fired": "2026-02-02T16:40:00+00:00", "size": 4037}');
INSERT INTO "effect" VALUES(18,8,'copy','Spring Newsletter [J8-0aaa1578]','2026-11-30 09:16:41.297051','2026-11-30 09:16:41.306914',1,'2026-11-30 09:16:41.349664','{"campaign": 50118200113}');
INSERT INTO "effect" VALUES(19,8,'upload','/import/40291413820_J8-0aaa1578.csv','2026-11-30 09:16:42.278391','2026-11-30 09:16:42.368738',1,'2026-11-30 09:16:42.428791','{"list_modified": "2026-02-02T16:52:10+00:00", "job_fired": "2026-02-02T16:50:00+00:00", "size": 4032}');
INSERT INTO "effect" VALUES(20,9,'copy','Spring Newsletter [J9-ef6edafb]','2026-11-30 09:16:43.044214','2026-11-30 09:16:43.101080',1,'2026-11-30 09:16:43.182123','{"campaign": 50118200114}');
CREATE TABLE erasure (
    id VARCHAR(36) NOT NULL,
    given_by VARCHAR(100) NOT NULL,
    operator VARCHAR(100) NOT NULL,
    planned_at DATETIME NOT NULL,
    finished_at DATETIME,
    salt BLOB,
    person_hash BLOB,
    CONSTRAINT pk_erasure PRIMARY KEY (id)
);
CREATE TABLE erasure_key (
    erasure_id VARCHAR(36) NOT NULL,
    kind VARCHAR(20) NOT NULL,
    key_hash BLOB NOT NULL,
    CONSTRAINT pk_erasure_key PRIMARY KEY (erasure_id, kind, key_hash)
);
CREATE TABLE erasure_step (
    erasure_id VARCHAR(36) NOT NULL,
    step VARCHAR(40) NOT NULL,
    found BIGINT NOT NULL,
    erased BIGINT,
    done_at DATETIME,
    CONSTRAINT pk_erasure_step PRIMARY KEY (erasure_id, step)
);
CREATE TABLE ferg_file (
    response_file_id BIGINT NOT NULL,
    load_id VARCHAR(36) NOT NULL,
    name VARCHAR(400) NOT NULL,
    columns TEXT NOT NULL,
    rows BIGINT NOT NULL,
    made_at DATETIME NOT NULL,
    put_at DATETIME,
    CONSTRAINT pk_ferg_file PRIMARY KEY (response_file_id)
);
CREATE TABLE history (
    id INTEGER NOT NULL,
    broadcast_id INTEGER NOT NULL,
    at DATETIME NOT NULL,
    from_state VARCHAR(20),
    to_state VARCHAR(20) NOT NULL,
    owner VARCHAR(100) NOT NULL,
    note VARCHAR(2000) NOT NULL,
    CONSTRAINT pk_history PRIMARY KEY (id),
    CONSTRAINT fk_history_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES broadcast (id)
);
INSERT INTO "history" VALUES(1,1,'2026-11-30 09:15:52.527266',NULL,'claimed','host/1/8b4757f1','job: Optimizely_Customers_144a0961-734f-439d-95d6-874c91bf17a4.txt');
INSERT INTO "history" VALUES(2,1,'2026-11-30 09:15:53.278736','claimed','staged','host/1/0d8c9c48','20 rows read: 19 to upload, 1 rejected, 0 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(3,1,'2026-11-30 09:15:53.544223','staged','prepared','host/1/0d8c9c48','Smart Campaign 50118200106 is prepared');
INSERT INTO "history" VALUES(4,1,'2026-11-30 09:15:54.350773','prepared','uploaded','host/1/0d8c9c48','the list is transferred: /import/40291413820_J1-27815175.csv');
INSERT INTO "history" VALUES(5,1,'2026-11-30 09:16:00.254766','uploaded','importing','host/1/2fd563fa','Optimizely works on the list');
INSERT INTO "history" VALUES(6,1,'2026-11-30 09:16:02.260921','importing','imported','host/1/5fd179c0','19 recipients have arrived');
INSERT INTO "history" VALUES(7,1,'2026-11-30 09:16:02.613004','imported','sending','host/1/5fd179c0','Smart Campaign 50118200106 is started');
INSERT INTO "history" VALUES(8,1,'2026-11-30 09:16:03.856768','sending','sent','host/1/8a2c1220','Smart Campaign 50118200106 has finished');
INSERT INTO "history" VALUES(9,1,'2026-11-30 09:16:03.893638','sent','closed','host/1/8a2c1220','19 recipients were sent the message');
INSERT INTO "history" VALUES(10,2,'2026-11-30 09:16:03.985003',NULL,'claimed','host/1/b1cbc20a','job: Optimizely_Customers_de163721-55bc-4df0-bb89-43d3c6864db4.txt');
INSERT INTO "history" VALUES(11,2,'2026-11-30 09:16:04.252231','claimed','staged','host/1/bf2df098','20 rows read: 20 to upload, 0 rejected, 0 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(12,2,'2026-11-30 09:16:04.614832','staged','prepared','host/1/bf2df098','Smart Campaign 50118200107 is prepared');
INSERT INTO "history" VALUES(13,2,'2026-11-30 09:16:05.381757','prepared','uploaded','host/1/bf2df098','the list is transferred: /import/40291413820_J2-02e3046f.csv');
INSERT INTO "history" VALUES(14,2,'2026-11-30 09:16:10.897379','uploaded','importing','host/1/97c876b6','Optimizely works on the list');
INSERT INTO "history" VALUES(15,2,'2026-11-30 09:16:12.391971','importing','imported','host/1/d77d5295','20 recipients have arrived');
INSERT INTO "history" VALUES(16,2,'2026-11-30 09:16:12.617146','imported','sending','host/1/d77d5295','Smart Campaign 50118200107 is started');
INSERT INTO "history" VALUES(17,2,'2026-11-30 09:16:13.646484','sending','sent','host/1/1576e01f','Smart Campaign 50118200107 has finished');
INSERT INTO "history" VALUES(18,3,'2026-11-30 09:16:13.799688',NULL,'claimed','host/1/e90eeb99','job: Optimizely_Customers_99648c89-406e-490b-b9dc-c0c8a71733db.txt');
INSERT INTO "history" VALUES(19,3,'2026-11-30 09:16:14.165424','claimed','staged','host/1/a609a22e','20 rows read: 18 to upload, 2 rejected, 0 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(20,3,'2026-11-30 09:16:14.627986','staged','prepared','host/1/a609a22e','Smart Campaign 50118200108 is prepared');
INSERT INTO "history" VALUES(21,3,'2026-11-30 09:16:15.196632','prepared','uploaded','host/1/a609a22e','the list is transferred: sending batch 9001');
INSERT INTO "history" VALUES(22,4,'2026-11-30 09:16:15.464032',NULL,'claimed','host/1/6cff5ee8','job: Optimizely_Customers_cdec2170-2e9b-4a0c-b717-8c48334181f9.txt');
INSERT INTO "history" VALUES(23,4,'2026-11-30 09:16:15.806735','claimed','staged','host/1/0f79b3e8','20 rows read: 18 to upload, 1 rejected, 1 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(24,4,'2026-11-30 09:16:16.017232','staged','prepared','host/1/0f79b3e8','Smart Campaign 50118200109 is prepared');
INSERT INTO "history" VALUES(25,4,'2026-11-30 09:16:16.421498','prepared','uploaded','host/1/0f79b3e8','the list is transferred: /import/40291413820_J4-698fba55.csv');
INSERT INTO "history" VALUES(26,4,'2026-11-30 09:16:22.027470','uploaded','importing','host/1/b694805b','Optimizely works on the list');
INSERT INTO "history" VALUES(27,4,'2026-11-30 09:16:23.862876','importing','imported','host/1/65d796e7','18 recipients have arrived');
INSERT INTO "history" VALUES(28,4,'2026-11-30 09:16:24.021461','imported','sending','host/1/65d796e7','Smart Campaign 50118200109 is started');
INSERT INTO "history" VALUES(29,5,'2026-11-30 09:16:24.258147',NULL,'claimed','host/1/ff623477','job: Optimizely_Customers_1393ed52-9a2b-4b86-8326-357e1b4d7a32.txt');
INSERT INTO "history" VALUES(30,5,'2026-11-30 09:16:24.570132','claimed','staged','host/1/910a7c0e','20 rows read: 19 to upload, 0 rejected, 1 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(31,5,'2026-11-30 09:16:24.636909','staged','prepared','host/1/910a7c0e','there is nothing to prepare');
INSERT INTO "history" VALUES(32,5,'2026-11-30 09:16:25.321590','prepared','uploaded','host/1/910a7c0e','the list is transferred: /closedloop/40291413820_J5-5abddba6.csv');
INSERT INTO "history" VALUES(33,6,'2026-11-30 09:16:25.541353',NULL,'claimed','host/1/03ca03ea','job: Optimizely_Customers_2b2f177d-5e6b-43f8-a0b7-f05705179bcc.txt');
INSERT INTO "history" VALUES(34,6,'2026-11-30 09:16:26.184186','claimed','staged','host/1/47439dda','20 rows read: 20 to upload, 0 rejected, 0 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(35,6,'2026-11-30 09:16:26.370661','staged','prepared','host/1/47439dda','Smart Campaign 50118200110 is prepared');
INSERT INTO "history" VALUES(36,6,'2026-11-30 09:16:26.937981','prepared','uploaded','host/1/47439dda','the list is transferred: /import/40291413820_J6-40586b71.csv');
INSERT INTO "history" VALUES(37,6,'2026-11-30 09:16:33.975694','uploaded','importing','host/1/ed74fcc8','Optimizely works on the list');
INSERT INTO "history" VALUES(38,6,'2026-11-30 09:16:35.761628','importing','imported','host/1/b0ddf791','20 recipients have arrived');
INSERT INTO "history" VALUES(39,7,'2026-11-30 09:16:35.974912',NULL,'claimed','host/1/cf049828','job: Optimizely_Customers_b72a4d5a-33fd-46fd-b8cf-5315a38ff1c4.txt');
INSERT INTO "history" VALUES(40,7,'2026-11-30 09:16:36.448926','claimed','staged','host/1/d834d6a7','20 rows read: 20 to upload, 0 rejected, 0 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(41,7,'2026-11-30 09:16:36.640764','staged','prepared','host/1/d834d6a7','Smart Campaign 50118200112 is prepared');
INSERT INTO "history" VALUES(42,7,'2026-11-30 09:16:36.913647','prepared','uploaded','host/1/d834d6a7','the list is transferred: /import/40291413820_J7-b6f312a1.csv');
INSERT INTO "history" VALUES(43,7,'2026-11-30 09:16:40.835574','uploaded','importing','host/1/a2ea32f4','Optimizely works on the list');
INSERT INTO "history" VALUES(44,8,'2026-11-30 09:16:40.993759',NULL,'claimed','host/1/26a88aed','job: Optimizely_Customers_69afaa03-f171-45d6-afdd-3ee8002e5e61.txt');
INSERT INTO "history" VALUES(45,8,'2026-11-30 09:16:41.273336','claimed','staged','host/1/189e4c22','20 rows read: 20 to upload, 0 rejected, 0 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(46,8,'2026-11-30 09:16:41.360638','staged','prepared','host/1/189e4c22','Smart Campaign 50118200113 is prepared');
INSERT INTO "history" VALUES(47,8,'2026-11-30 09:16:42.433000','prepared','uploaded','host/1/ae5593f3','the list is transferred: /import/40291413820_J8-0aaa1578.csv');
INSERT INTO "history" VALUES(48,9,'2026-11-30 09:16:42.535821',NULL,'claimed','host/1/0502692d','job: Optimizely_Customers_d1ae4ddc-043c-4ef5-80a5-20de55f57840.txt');
INSERT INTO "history" VALUES(49,9,'2026-11-30 09:16:42.933824','claimed','staged','host/1/32f3555d','20 rows read: 18 to upload, 1 rejected, 1 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(50,9,'2026-11-30 09:16:43.237313','staged','prepared','host/1/32f3555d','Smart Campaign 50118200114 is prepared');
INSERT INTO "history" VALUES(51,10,'2026-11-30 09:16:43.536822',NULL,'claimed','host/1/c369a801','job: Optimizely_Customers_dee5ec4c-5adf-420b-ad95-5f1f674e4dc7.txt');
INSERT INTO "history" VALUES(52,10,'2026-11-30 09:16:44.049010','claimed','staged','host/1/f9d6a5f5','20 rows read: 19 to upload, 0 rejected, 1 duplicates, 0 suppressed');
INSERT INTO "history" VALUES(53,11,'2026-11-30 09:16:44.366509',NULL,'claimed','host/1/ea6f7bdf','job: Optimizely_Customers_3a6e6cb8-4c2a-41c3-ab78-713e2ec3eea5.txt');
INSERT INTO "history" VALUES(54,12,'2026-11-30 09:16:44.566031',NULL,'claimed','host/1/b4c3923e','job: Optimizely_Customers_e3594b65-a501-4a8e-9a3c-0c9bd2970f26.txt');
INSERT INTO "history" VALUES(55,12,'2026-11-30 09:16:44.723319','claimed','failed','host/1/1d99882e','The header of the delivery file Optimizely_Customers_e3594b65-a501-4a8e-9a3c-0c9bd2970f26.txt has no column Kunden ID. Add the column to the broadcast, or correct its name in the channel''s Output Settings, and run the broadcast again. [delivery-file-column-missing]');
INSERT INTO "history" VALUES(56,13,'2026-11-30 09:16:44.862168',NULL,'claimed','host/1/bec59fb4','job: Optimizely_Customers_919d1abe-3b5a-4ca6-b5cb-a3e60ca47cde.txt');
INSERT INTO "history" VALUES(57,13,'2026-11-30 09:16:45.009912','claimed','needs_operator','host/1/1bfa67c8','outcome unknown');
INSERT INTO "history" VALUES(58,14,'2026-11-30 09:16:45.148973',NULL,'claimed','host/1/9ae649c9','job: Optimizely_Customers_6b0c6941-9991-4f83-81c5-4c0f2055e3ad.txt');
INSERT INTO "history" VALUES(59,14,'2026-11-30 09:16:45.148973','claimed','claimed','operator','asked to be cancelled');
INSERT INTO "history" VALUES(60,14,'2026-11-30 09:16:45.287519','claimed','cancelled','host/1/cb896f6b','it was asked to be cancelled');
CREATE TABLE lease (
    name VARCHAR(450) NOT NULL,
    owner VARCHAR(100) NOT NULL,
    expires_at DATETIME,
    CONSTRAINT pk_lease PRIMARY KEY (name)
);
CREATE TABLE matched_broadcast (
    broadcast_id BIGINT NOT NULL,
    state VARCHAR(20) NOT NULL,
    CONSTRAINT pk_matched_broadcast PRIMARY KEY (broadcast_id)
);
CREATE TABLE migration (
    number INTEGER NOT NULL,
    name VARCHAR(100) NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    breaking BOOLEAN NOT NULL,
    applied_at DATETIME NOT NULL,
    CONSTRAINT pk_migration PRIMARY KEY (number)
);
INSERT INTO "migration" VALUES(1,'ledger','8cb9c44e1e183a38d54416cc45ae96d19614b9717a16b249b7a35a864806cda5',0,'2026-11-30 09:15:44.897000');
INSERT INTO "migration" VALUES(2,'matching','d4a0dece7a3e9252e52ba29ff14649c8aa50eeb6a5bec533386650da4037d18f',0,'2026-11-30 09:15:44.930000');
INSERT INTO "migration" VALUES(3,'responses_in_full','c4a0d0d484361a40ed9a40c44eeb5480b5bff129c6bc56a30b818bfa016e3d66',0,'2026-11-30 09:15:45.030000');
INSERT INTO "migration" VALUES(4,'growth_of_gaps','6c5e90f1aef9442cfde90704f9fc7f94e406c7d0a9b09e0413989a57cceeb7a3',0,'2026-11-30 09:15:45.051000');
INSERT INTO "migration" VALUES(5,'erasure_keys','aad8310f32cfdb0aa1609e0f02d1c051445b49870bb2008dd1c762acdb6f6c0b',0,'2026-11-30 09:15:45.070000');
CREATE TABLE recipient (
    broadcast_id BIGINT NOT NULL,
    line INTEGER NOT NULL,
    communication_key_hash BLOB,
    urn_hash BLOB,
    CONSTRAINT pk_recipient PRIMARY KEY (broadcast_id, line)
);
INSERT INTO "recipient" VALUES(1,2,X'5D9A905A7F88FE19F65D10DC96444FB6',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(1,3,X'DD98F40420758C63BD92F7566ACD6DCF',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(1,4,X'F6E1B0E78F916DBF6DE4E9AD51C333C3',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(1,5,X'890D114CBEA1592361F46AF4FBBE0B83',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(1,6,X'AE5E69843E6D470C180DA22EC8E251E3',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(1,7,X'7282EF9BCB4859081295F8DB4D204D7C',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(1,9,X'6FC2F237EC5B84196D6BE6523D3DD3E0',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(1,10,X'9ED71A2AD9F4EEBD82878DCBEBD7523E',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(1,11,X'670FF33D381E8F3083CA3AA5257172D2',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(1,12,X'75C321C056B55C0C1D357B1C6B040A31',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(1,13,X'790F07A3ABBEF56872E347ADB18BA440',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(1,14,X'463417A7C77B38078C5D9E3907A7FF0E',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(1,15,X'74220B0213004D5C20D80A9BA5D1BBC9',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(1,16,X'23A53586B3206B814329A6C82E9E9B8A',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(1,17,X'DD92D3A04095CEE71457DEB8ED9CBE56',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(1,18,X'C60093424765D6C6BFBE303DF8C86E82',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(1,19,X'D5215DD127C16B0744A3AC19B90491E6',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(1,20,X'7795521EAD3D69EFEBDDFFCA219EB07E',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(1,21,X'155B786307B140D1B8AC962287CACECD',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(2,2,X'F39458B064AEC178E73D05B8E54CB8D9',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(2,3,X'CCFCCB4821265771E5F15632417C797F',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(2,4,X'2705EB14FE9EEA61ED5DA0DFA1EDE5CD',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(2,5,X'CCF40644DF2A53D1A70D5A2923B1E310',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(2,6,X'A86955F3D2F6D84E1DE70FAB7D8C83D4',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(2,7,X'ED8C20620B8DDF891881680E46EAA66D',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(2,8,X'0713A81B831113A80E7C02B7B6319248',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(2,9,X'3588ECB542ED11186810835CC255B55B',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(2,10,X'9F5E03903ADDAEFBD086A0BECB29C385',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(2,11,X'992394B2ADD3385E1B528F805E7647D6',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(2,12,X'C7F9C5A0F36FF878563331E69D0AD991',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(2,13,X'D3AC74D6C8330F9EA0990A9F46246F3B',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(2,14,X'A435D86884A3CB504566EB185A49DF59',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(2,15,X'CFF9F405D2DCBAAD5EAA49EB17DAFB1D',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(2,16,X'27955EB8822691D3E39C989FDB933387',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(2,17,X'AC2E60488B89EE06DBF1A05AD5C046CB',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(2,18,X'F7227F615C14A27E61F54678AA85594A',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(2,19,X'7CD95DAAD6D88BF4B0260E6DFF504998',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(2,20,X'B031DDDC6D88E69512A52E452EDBC0EF',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(2,21,X'4CE1A86E07417CF92E7FA53BD02CAA3D',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(3,2,X'1665597254F811515CB9DA7129BDEF6B',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(3,3,X'6959C7194F2A322C1D37BB6FBACF0885',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(3,4,X'47AD39A64D1AB8F98E3EE2DD156571F2',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(3,5,X'2D01E5753DE4DC78BDC96D4B7E3556C2',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(3,6,X'0724E005F88A9E9085F89B1E17161F17',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(3,7,X'8FA227CE95BC387D845BC991208ABA47',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(3,8,X'9E9E95908BB13D817DDAA95184C8CC1D',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(3,9,X'AB6392AE22DFA44D4A3A836FA491A5E4',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(3,10,X'A3B8C545EC44C5FEAB87628B36704390',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(3,11,X'E6D45E0D89B6764FC0529AF3AFFBC1C8',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(3,12,X'2C6AF676CE39D3ABFBEB2412793AC205',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(3,14,X'AA61FEE2DAA2456726866D4406BE76A2',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(3,15,X'CD1522E74F2E531A65614CED664632E2',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(3,17,X'5D351D80BEA9B3EA8F7DA24961A43C9F',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(3,18,X'3AEE57028602BBA0787B9EE4196B4682',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(3,19,X'2FBDC568388DD6F8A1CE219B6281F5DF',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(3,20,X'CED622CCC643A447B504EA9310E4E573',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(3,21,X'1530752B3030B36947229F6182D80FD7',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(4,2,X'A4ADA81C203DEFA52207AD8AED7E36DC',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(4,3,X'4F7F2F661D66AFC822E8804CC4F86C34',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(4,4,X'1F58A271A3D102D5F4F916CA8D006A54',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(4,5,X'D21E09253086C855C3C8F2F7654CEC6E',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(4,6,X'4CDD3DF33D0FDEB7B6326D20ADCA757C',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(4,7,X'FBA026D0104AC5A546039192CFEBECE2',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(4,8,X'7958C5B60A21C82EB0E1D105F581C2C8',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(4,9,X'59B46D89CA3B170B21E2B69888F374BF',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(4,10,X'86DCFB8822BAABC4B888D7F164B5BB5B',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(4,11,X'EB1835B7DFED68D4185DEC4E24A0C897',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(4,12,X'071CB3C1598C22011DBF79D948A29D6A',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(4,14,X'C7915C91B6C0E94ADD4B1D2B96D350CA',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(4,15,X'088D1F8D1187FB8597599A8AD664894D',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(4,16,X'145F36F8106B6FDF60EAF6A4225F1897',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(4,18,X'F3326824070C706AFBDD2E11CCE2EB4A',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(4,19,X'7EC4FAB74321D1B3F7DDDC2E959CE006',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(4,20,X'FE32AF6BE7213A9743180D75D794ADBC',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(4,21,X'91139834491CF0087A954A0C5781DB3E',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(5,2,X'5740388D8C528CC83BE73E8C9C530E76',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(5,4,X'F2203D1B929518A1E0E1003F4060292C',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(5,5,X'C2C0A286703EAD28168EFC9446662EC8',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(5,6,X'2A3FE57EAC6CDCED290189A1AF640966',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(5,7,X'8C211F977FF02565924E43353671ACB3',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(5,8,X'A4330FE01F15A9C3D5C863445B4B5539',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(5,9,X'32EF5D0E4B1FE9F96E080453144AE7F6',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(5,10,X'84418F63ECCE3D060E1308DA3D46E76C',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(5,11,X'688C1B50168570746FAC65D5CEAAF335',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(5,12,X'E891BD6EBCBBB7CA32CBC41842BCECD2',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(5,13,X'504B61AC6C53E74D28E0F4F7F05DCC82',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(5,14,X'46033C3881BD3CE8D895F15926D5E13D',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(5,15,X'934ED108AFFDCEDA19816025B3E2E927',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(5,16,X'F6070C98BB3CCBC4CF0E93AA561BA0C7',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(5,17,X'58AF352C91C2AD8EBFA4F9076BD7A9B5',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(5,18,X'ADAA5C78C7558500C133013DC7F807C0',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(5,19,X'F910C9C906048076EF3FF9509C9B84D8',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(5,20,X'917AB21B36BB6BCCF26FDFB991CC82BB',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(5,21,X'0AB9CAA240330AE8DB9855A4CD168067',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(6,2,X'0D565E50AD9C0D149EC1C47DE07D249B',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(6,3,X'9064C0470D1C824A901DD7409965DB21',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(6,4,X'8552DBB4A01A75CB8563E2653987E52B',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(6,5,X'F2FC2BBFF3D2AEFE3F6AD89F7723C3C3',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(6,6,X'6FF7D1ECDDF702FA90605BE72C139B8F',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(6,7,X'CDE5302F841C313FC2D321D72B141B19',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(6,8,X'1DDD2EC88BF4D06209349CDD8BFB914B',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(6,9,X'B394CA2FFE8F440308CD8114017E6C33',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(6,10,X'970BE82FA353E7D617910BEE1ABB7927',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(6,11,X'20FE38E25E709BE7E4629AA6E906F555',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(6,12,X'07DFEB82AC35BDB05AE56BC9DF521BBD',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(6,13,X'ED667D130A4A1D18037699E1A241E642',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(6,14,X'A2EAE569B316942D09BAE047C35A1CE8',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(6,15,X'8DDE7D74B72D4D849B45BF3C719C9075',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(6,16,X'4BE5118562AC4A6AFC72BD0F225F0A91',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(6,17,X'54FDE06DF356457CB4E31493167D11D7',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(6,18,X'C956F47DFC48187F9C207D0963E5CFCD',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(6,19,X'9B4F20FFBDDFB5698B23FFE71F199E56',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(6,20,X'089526FA12364D7ABB6036909FF57E00',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(6,21,X'4A9FA22AB79C40B3DAC06C624F54C6EC',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(7,2,X'CBCE08772A0A2313C9806A30C3881268',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(7,3,X'5B0DA5CBFF6CAF10D4314E8A4D623F59',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(7,4,X'356CE9D2CD045540BFF79E41DAC8598A',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(7,5,X'5CAA005D4337B590EF5A9DBAB5C4F274',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(7,6,X'6B2046F2EAE9DCE36BC4723E6975CA26',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(7,7,X'9FBEB17310C9187FEFEDAC5CCADDCBE3',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(7,8,X'5B0FCCF3F31FB85E6E649C8EE9953A4A',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(7,9,X'E1AE6D6C63AAC1E2A6879CF11C18C3EF',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(7,10,X'EEC3FCFD4987E150D82DCECC4F4BE37C',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(7,11,X'B5DC3F9F3B51E86A7C05A8FCB2EC3339',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(7,12,X'0A2597B1E4A121932D6D748CD76358F1',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(7,13,X'A3298B73C020046040BABA628E3E0282',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(7,14,X'EA65E4408CF7223C145A9695C70DDC91',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(7,15,X'1AECD20855BED50CD939F1FE18E6D652',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(7,16,X'BFA54C52C1A7611E2CCB7148068A1B4C',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(7,17,X'AAE1BBB2F95A458533F2287E9517E42C',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(7,18,X'F2431EADECA2E6DADE106D024AF8DDDE',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(7,19,X'DB4F0B40272C8871B2A32E7505CE80E1',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(7,20,X'F1702E473D66B4F2D5C3A9209A64A3D1',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(7,21,X'8EC05B6E550256EF9900F6FD8F573FF8',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(8,2,X'193492C32313BC0BFB79E60E7D057B8B',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(8,3,X'861A59F0946D59BCA02356AE585540BA',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(8,4,X'B6A605C739FD990FF5509A5AF1EE269E',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(8,5,X'E005D67FE5E801BE5D31ABE563B34C0D',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(8,6,X'DB84B05F0D57AD18651ECAC65147CC4F',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(8,7,X'07A10462DD8420C13C44F786A7D2C204',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(8,8,X'F0A3FB94DD55EFB370FD4D33DA9F6F36',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(8,9,X'F6A59B63984C4C2D18C2E049F8C441FA',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(8,10,X'32EEFC2615F671E061B8BEC942EC7F59',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(8,11,X'B48BA9ABD3F31FF7DD4B031FD0136E0B',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(8,12,X'97948B536D74757B41CDFE6DF92976AB',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(8,13,X'9EB6EDB36746943D5B1A37040CC3D25D',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(8,14,X'48324E155ECEC2729F728310153EBA9B',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(8,15,X'DCF3F712F3B798CBC701A7809791FACF',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(8,16,X'8ED5771B0BEDF5FCEC8555945B2571C3',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(8,17,X'1E386E4DD128662239E9CF971E456223',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(8,18,X'67BB5E2879DA3F1B8636EF7E2C114006',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(8,19,X'B97358BCAE143967EDF2BEE0AA049DF0',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(8,20,X'BD1F5AE9E3855DA5C1F79D655166BC81',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(8,21,X'5EABD38CCF52F0F8A220D2A3CDE75733',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(9,2,X'7268C28727BE23450D0F7A533F3AFD8D',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(9,3,X'6D93837B0DE9491DA0F972882B124F2F',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(9,4,X'72B983E486CC5E9F3A7D74C5F0E354BB',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(9,5,X'D69E6DEAC3F32F0C592BF43342E60BAC',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(9,6,X'B75899D747B571DFCDAE0127FD06D9E5',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(9,8,X'1D0B77D7F12EC2A5D656D25DE2731351',X'B706030357A071C5A7051150C06529A6');
INSERT INTO "recipient" VALUES(9,9,X'B2921E8EF8D052559D2B481D019F5407',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(9,10,X'2612C1EA8A431BF72CFBC4ACDFD6B6D7',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(9,11,X'BCA1E4FFC7CB616D83C9993AAC65E6A9',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(9,12,X'09E066CB286EDA716C385CCF26E98248',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(9,13,X'74007879830C124E31F8D70866D74383',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(9,14,X'9BD7B71F0432B14826AD91974432E1C4',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(9,15,X'008BDBE6ABBF14FC47D6C953F1681D49',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(9,16,X'910E17E68C9D810147DA901C2DCE45B5',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(9,18,X'2D4185B327F1D4CCAF95EA9C44835C9D',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(9,19,X'31790CA0B28625EEA9AEB562E7544A45',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(9,20,X'696F582C1C33A7BEC978903D049DDB14',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(9,21,X'E3267E0709EE5F63DF18361F280C9173',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
INSERT INTO "recipient" VALUES(10,2,X'20A177464B73A331D449C3C19B283F4F',X'8F01E6AFAAD1303D98FC06AECAF3C17C');
INSERT INTO "recipient" VALUES(10,3,X'1A754D212435B35D9468DA5E5B6B0DC4',X'5A0620B349B7DBAA28E256648C2F73AE');
INSERT INTO "recipient" VALUES(10,4,X'3DE0F0318BA7E6163C19E17C4A3D8334',X'B891D4079233C78FA75A1B3DAD820E37');
INSERT INTO "recipient" VALUES(10,5,X'7C5926BC9A6DBD6917BEA559FAB90D40',X'6041E2C91F37463B75ECCFBEFBD7A96B');
INSERT INTO "recipient" VALUES(10,6,X'A4EA924B4AC5CFE010B5CEABE3AA80DF',X'A4F9209A3FD6910A006712290781A2AD');
INSERT INTO "recipient" VALUES(10,7,X'3BD42777B7A47725836487494D2FB603',X'F4A0A6A564D1B74AD9940197839E07E1');
INSERT INTO "recipient" VALUES(10,9,X'6FAD6B52FCFC35E046A28E99A8AB5FE9',X'E20009F9C4BF50EEC581D26EA0911BB0');
INSERT INTO "recipient" VALUES(10,10,X'147EF85106A8C1D870818B11391430BC',X'7E9528F5320CD216F19C55DC3B9D2687');
INSERT INTO "recipient" VALUES(10,11,X'ED88BD7F2C2EF2B3EB657EB2D3D25324',X'455EF10EEB6766B0DFD923113F3453A7');
INSERT INTO "recipient" VALUES(10,12,X'267EE5CD3D50346C5839686E74F75DCD',X'3C7099DAA72D48C4296C6EF4F0D40791');
INSERT INTO "recipient" VALUES(10,13,X'2270CE6288978162AD1B113E88729D91',X'2FB9157164CAD5EB4FC5D5CF7A298CC2');
INSERT INTO "recipient" VALUES(10,14,X'47F63FA110C0CE18F335687AE50DA12E',X'49EE3D1ABE1631AD03CE15703E316B73');
INSERT INTO "recipient" VALUES(10,15,X'3BE32DDFC429561FCC6F6DE3F9F1D46D',X'EB8F49DC163FDD452A1BDD02DA14D75B');
INSERT INTO "recipient" VALUES(10,16,X'BA946B01F9FC80FACA0B2615AEC0D527',X'5B46D1DC49826B729CBE4C0C58ABC1C6');
INSERT INTO "recipient" VALUES(10,17,X'C3028D41A97C6EDEC5020755B12380CF',X'EBBD870BDC233C49BF1E080A18FC5D2D');
INSERT INTO "recipient" VALUES(10,18,X'3A17369963F138992073157EB889275A',X'93926D9C8DF94DFC5014095A82F04534');
INSERT INTO "recipient" VALUES(10,19,X'FED8F3260CD1709B771131783C8FAF80',X'F4E420E1DBC1B30F06E7043E8DC0D386');
INSERT INTO "recipient" VALUES(10,20,X'5F18203488B5E125D2D1B29FC573F574',X'AC25A38B2BDCE93342BB5246AAD08DA8');
INSERT INTO "recipient" VALUES(10,21,X'1BFBD254E1CD902933A1822D594909F7',X'C1C50B49231BB5BF4B7F3B9ECA86630E');
CREATE TABLE reject_count (
    id INTEGER NOT NULL,
    broadcast_id INTEGER,
    response_file_id INTEGER,
    reason VARCHAR(64) NOT NULL,
    rows BIGINT NOT NULL,
    CONSTRAINT pk_reject_count PRIMARY KEY (id),
    CONSTRAINT fk_reject_count_response_file_id FOREIGN KEY(response_file_id) REFERENCES response_file (id),
    CONSTRAINT fk_reject_count_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES broadcast (id)
);
INSERT INTO "reject_count" VALUES(1,1,NULL,'urn-missing',1);
INSERT INTO "reject_count" VALUES(2,3,NULL,'field-type',2);
INSERT INTO "reject_count" VALUES(3,4,NULL,'control-character',1);
INSERT INTO "reject_count" VALUES(4,4,NULL,'duplicate-email',1);
INSERT INTO "reject_count" VALUES(5,5,NULL,'duplicate-email',1);
INSERT INTO "reject_count" VALUES(6,9,NULL,'duplicate-email',1);
INSERT INTO "reject_count" VALUES(7,9,NULL,'value-too-long',1);
INSERT INTO "reject_count" VALUES(8,10,NULL,'duplicate-email',1);
INSERT INTO "reject_count" VALUES(9,NULL,2,'wrong-field-count',1);
CREATE TABLE removal (
    kind VARCHAR(40) NOT NULL,
    looked_at DATETIME NOT NULL,
    removed BIGINT NOT NULL,
    removed_ever BIGINT NOT NULL,
    CONSTRAINT pk_removal PRIMARY KEY (kind)
);
CREATE TABLE report_comparison (
    broadcast_id BIGINT NOT NULL,
    due_at DATETIME,
    compared_at DATETIME,
    error_code VARCHAR(64),
    CONSTRAINT pk_report_comparison PRIMARY KEY (broadcast_id)
);
INSERT INTO "report_comparison" VALUES(1,'2026-11-30 09:16:46.506230',NULL,NULL);
INSERT INTO "report_comparison" VALUES(2,'2026-11-30 09:16:46.506230',NULL,NULL);
INSERT INTO "report_comparison" VALUES(4,'2026-11-30 09:16:46.506230',NULL,NULL);
INSERT INTO "report_comparison" VALUES(5,'2026-11-30 09:16:46.506230',NULL,NULL);
CREATE TABLE report_gap (
    broadcast_id BIGINT NOT NULL,
    message_type VARCHAR(50) NOT NULL,
    reported BIGINT NOT NULL,
    loaded BIGINT NOT NULL,
    grown INTEGER NOT NULL, judged_at DATETIME, judged_gap BIGINT,
    CONSTRAINT pk_report_gap PRIMARY KEY (broadcast_id, message_type)
);
CREATE TABLE response_count (
    broadcast_id BIGINT NOT NULL,
    message_type VARCHAR(50) NOT NULL,
    rows BIGINT NOT NULL,
    CONSTRAINT pk_response_count PRIMARY KEY (broadcast_id, message_type)
);
INSERT INTO "response_count" VALUES(1,'Click',1);
INSERT INTO "response_count" VALUES(1,'Open',3);
INSERT INTO "response_count" VALUES(1,'Send',19);
INSERT INTO "response_count" VALUES(2,'Click',3);
INSERT INTO "response_count" VALUES(2,'Open',3);
INSERT INTO "response_count" VALUES(2,'Send',20);
INSERT INTO "response_count" VALUES(2,'Unsubscription',1);
INSERT INTO "response_count" VALUES(4,'Bounce',1);
INSERT INTO "response_count" VALUES(4,'Open',3);
INSERT INTO "response_count" VALUES(4,'Send',18);
INSERT INTO "response_count" VALUES(5,'Open',5);
INSERT INTO "response_count" VALUES(5,'Send',19);
CREATE TABLE response_event (
    event_key BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    response_id BIGINT NOT NULL,
    CONSTRAINT pk_response_event PRIMARY KEY (event_key, ordinal)
);
INSERT INTO "response_event" VALUES(X'2B637B543533C404D53341B46FAD5B88',1,1);
INSERT INTO "response_event" VALUES(X'6C0C00EAEF2818CCF84A4F71A4F61C7C',1,2);
INSERT INTO "response_event" VALUES(X'53C86CC2C52DACF481D38D1C598BD793',1,3);
INSERT INTO "response_event" VALUES(X'048A45F741221832AE6576F4A3368DD1',1,4);
INSERT INTO "response_event" VALUES(X'16CD592E4FD3D8076D4180077F1B0134',1,5);
INSERT INTO "response_event" VALUES(X'560726E9A6C08FC2B9618B8A712EB0B3',1,6);
INSERT INTO "response_event" VALUES(X'5A38D7647840EDABBF202176D52B7395',1,7);
INSERT INTO "response_event" VALUES(X'D0AA097AC0C8E62B1C11CC37CB280D06',1,8);
INSERT INTO "response_event" VALUES(X'0B533939B62C2BF1A56A4F6C19BBC93E',1,9);
INSERT INTO "response_event" VALUES(X'FAF26C3370E88B5A371B4852064F727E',1,10);
INSERT INTO "response_event" VALUES(X'C816BB11972D08F7E7A0449A1C3E958C',1,11);
INSERT INTO "response_event" VALUES(X'A5BFC4C91B6E82D3287DF5B59AE6B61E',1,12);
INSERT INTO "response_event" VALUES(X'15A836E802EA8F97DBBA3C6466A6681B',1,13);
INSERT INTO "response_event" VALUES(X'49F69A8B6606EF7F2078A21B279C3AA6',1,14);
INSERT INTO "response_event" VALUES(X'132F0D4A4D3E1842BF98455D8FDF3ACB',1,15);
INSERT INTO "response_event" VALUES(X'BD2A87F9EF3B5A49529D06CB491DDA85',1,16);
INSERT INTO "response_event" VALUES(X'752FB335426C0488149C0727120759FB',1,17);
INSERT INTO "response_event" VALUES(X'B36C60EBF7E40E4868EB865152AB92EE',1,18);
INSERT INTO "response_event" VALUES(X'DA5B8AC277396C2CB56BDD65746EE89D',1,19);
INSERT INTO "response_event" VALUES(X'7EBBBEF47713E4A18BA06963AFFA9406',1,20);
INSERT INTO "response_event" VALUES(X'5013AD8A3B25CC005FF3D95AAA6E5835',1,21);
INSERT INTO "response_event" VALUES(X'8DDCAE29ED8C7D239FFE7EFA3A94598D',1,22);
INSERT INTO "response_event" VALUES(X'EF19BCEE0C786FAC05393A6B0B319ABC',1,23);
INSERT INTO "response_event" VALUES(X'C86B57F1403639E1DB337EB61DAA74B2',1,24);
INSERT INTO "response_event" VALUES(X'72D47A01C6A7B9ED7FF51EA3869F7AD0',1,25);
INSERT INTO "response_event" VALUES(X'F2809E450459B1FF3823A9FEBCA328D4',1,26);
INSERT INTO "response_event" VALUES(X'05597AE22109A2BEF381E7785D377644',1,27);
INSERT INTO "response_event" VALUES(X'B3CE00D386C782AD74B35D5E06F1E130',1,28);
INSERT INTO "response_event" VALUES(X'32491A8B4D62B370DD8CD269DE449E57',1,29);
INSERT INTO "response_event" VALUES(X'C2917917F263707C7CFA0AEAE5908E1A',1,30);
INSERT INTO "response_event" VALUES(X'FF65C35052F52EDBEE48C93F6DC5EBBE',1,31);
INSERT INTO "response_event" VALUES(X'D491E03A85095744502D013C06D350E5',1,32);
INSERT INTO "response_event" VALUES(X'CE01B4D7BAC7BDBB0D77FC2D397A156E',1,33);
INSERT INTO "response_event" VALUES(X'2B2BDB5955547D424D4A03B7DC7375C9',1,34);
INSERT INTO "response_event" VALUES(X'23C2EF41343BB15D874995D54E364A3E',1,35);
INSERT INTO "response_event" VALUES(X'4EB51CAC6EC84E5AE8A21F60B2ED11C4',1,36);
INSERT INTO "response_event" VALUES(X'9945B3ABDF3982B7A3106665FF6568B3',1,37);
INSERT INTO "response_event" VALUES(X'18E8FE0BC4C7AC6BC41CA75DE4E16A97',1,38);
INSERT INTO "response_event" VALUES(X'4577BCA83C1EC26D77B7C46DDB6C3E60',1,39);
INSERT INTO "response_event" VALUES(X'3313E369B0D5D867CDDCFF76D899DB5A',1,40);
INSERT INTO "response_event" VALUES(X'25A73611B930367471E334EC23BBD58E',1,41);
INSERT INTO "response_event" VALUES(X'AF93E2771C7D2278D1890CCA3B0E550A',1,42);
INSERT INTO "response_event" VALUES(X'F52EDC71E54554D45DACAAB915EEDD82',1,43);
INSERT INTO "response_event" VALUES(X'02517EC1229D3E0F9044CBEE6847B50A',1,44);
INSERT INTO "response_event" VALUES(X'5B01490AED7E8EC8674F1817C07E3AAB',1,45);
INSERT INTO "response_event" VALUES(X'AC7331E1763A061162FE1392639190D0',1,46);
INSERT INTO "response_event" VALUES(X'FAFC11151251B2D681E49B69CDE53375',1,47);
INSERT INTO "response_event" VALUES(X'B637D4B190FF22C3747E504C0AE972B4',1,48);
INSERT INTO "response_event" VALUES(X'6341D22B01B0E74D2903927D50BCBAFD',1,49);
INSERT INTO "response_event" VALUES(X'AFB3CBE06C1D1D6EDB2FA9774D9519BA',1,50);
INSERT INTO "response_event" VALUES(X'39A5F14BDDC046FD384E0CEA9F13B529',1,51);
INSERT INTO "response_event" VALUES(X'FF1BCA0D17FCB16CD722CC8D882D7DC5',1,52);
INSERT INTO "response_event" VALUES(X'356DB7E5EDCA0B5A08ED6143433B3838',1,53);
INSERT INTO "response_event" VALUES(X'41050F31AF1FA97C05A8778DA3E52B17',1,54);
INSERT INTO "response_event" VALUES(X'B5CB00DD802694725F4CFA664DB6DAB1',1,55);
INSERT INTO "response_event" VALUES(X'88BE9F97AA4C40C803A3C48DA40116C3',1,56);
INSERT INTO "response_event" VALUES(X'A0B777BF9FA5A6ED9907838877A3E986',1,57);
INSERT INTO "response_event" VALUES(X'CDAFF8C70AB78EE34A100F05F668DC16',1,58);
INSERT INTO "response_event" VALUES(X'AAF29578E20FA535D2250293B2A2A137',1,59);
INSERT INTO "response_event" VALUES(X'DB1303870ED6012930E425DF51983508',1,60);
INSERT INTO "response_event" VALUES(X'FCB805425BF5720574732AC796B3C740',1,61);
INSERT INTO "response_event" VALUES(X'AE13EC547D54A8F3FB777FD58D2E58EE',1,62);
INSERT INTO "response_event" VALUES(X'292550C5245E081E1E7E238832B69C20',1,63);
INSERT INTO "response_event" VALUES(X'DB3C97D8237111F5ADD976156B3A584A',1,64);
INSERT INTO "response_event" VALUES(X'9CE6E4BDA91506AADBF41B88A3F66E44',1,65);
INSERT INTO "response_event" VALUES(X'26BAF9443DBB6EE240222C0E6FBA60BA',1,66);
INSERT INTO "response_event" VALUES(X'3A036D8C7CCB2DD47F0D3B679E63C615',1,67);
INSERT INTO "response_event" VALUES(X'B6044527E280E348FC05817812E8AF02',1,68);
INSERT INTO "response_event" VALUES(X'DA1CB3FA2F9A3A1DDCDB0B29EEB189BC',1,69);
INSERT INTO "response_event" VALUES(X'4FCE2623ED17B22C9BEA1D4C4D365E3F',1,70);
INSERT INTO "response_event" VALUES(X'AF32373577EB488B5AAC9F533AA3F281',1,71);
INSERT INTO "response_event" VALUES(X'2BEF26AF818857389B50D7DA3DA20B81',1,72);
INSERT INTO "response_event" VALUES(X'FE90F8BA3EBBE3AEFA07E5301B4926A6',1,73);
INSERT INTO "response_event" VALUES(X'D304762016A9930BB8B66D365E3176EC',1,74);
INSERT INTO "response_event" VALUES(X'4D49A89B120523D10C7ACEE191334943',1,75);
INSERT INTO "response_event" VALUES(X'E6250BEC276D55123B43E8A30523B6AC',1,76);
INSERT INTO "response_event" VALUES(X'0A9D27CE29705E371836EBEFC5A9BE90',1,77);
INSERT INTO "response_event" VALUES(X'C9DFF10680BDD4312BE1946E8C2BD684',1,78);
INSERT INTO "response_event" VALUES(X'BDA4987537CFD38760765B53A60510A7',1,79);
INSERT INTO "response_event" VALUES(X'3A4054CFC9506223B514C53B6E7D9195',1,80);
INSERT INTO "response_event" VALUES(X'3D32D3632FD802FCAFAB45A9C02A1831',1,81);
INSERT INTO "response_event" VALUES(X'CDFDBB8263543C785C3F843A397B28EA',1,82);
INSERT INTO "response_event" VALUES(X'92C093871A21B33CE11AF8A419E14426',1,83);
INSERT INTO "response_event" VALUES(X'B5FD8726520CD6BCC59CE239A5ACF213',1,84);
INSERT INTO "response_event" VALUES(X'883FB79A811652BFEB77F95553883868',1,85);
INSERT INTO "response_event" VALUES(X'8723CC195209C5713677B9C800839630',1,86);
INSERT INTO "response_event" VALUES(X'AED7316663ADD70BE5592DA9CE4ED3D1',1,87);
INSERT INTO "response_event" VALUES(X'C3AB15CE82F8DA9EF6B89BD84D64FB0A',1,88);
INSERT INTO "response_event" VALUES(X'4850F0EDE0E6028ED922DA7BBC930FD6',1,89);
INSERT INTO "response_event" VALUES(X'4850F0EDE0E6028ED922DA7BBC930FD6',2,90);
INSERT INTO "response_event" VALUES(X'79E5E26C4CF64A208F921F471AA3FA77',1,91);
INSERT INTO "response_event" VALUES(X'5BA711CEFE091DF8A5E8192646651FB9',1,92);
INSERT INTO "response_event" VALUES(X'1718361B19B4CB03B49AF253FECF7D1B',1,93);
INSERT INTO "response_event" VALUES(X'80ABA4A56E4AC3AA99EC969C6101EE3E',1,94);
INSERT INTO "response_event" VALUES(X'2672C7FE9F4447D99C38867DD9B8003C',1,95);
INSERT INTO "response_event" VALUES(X'23DCCAB63E519DBF2DE5025C3CE7B5A4',1,96);
INSERT INTO "response_event" VALUES(X'01E3346CF82E63C02583D7AC6541AE78',1,97);
INSERT INTO "response_event" VALUES(X'556563E115AD74C39ADC626284901884',1,98);
INSERT INTO "response_event" VALUES(X'41D352F7B31949C58704D3CE52B80478',1,99);
CREATE TABLE response_file (
    id INTEGER NOT NULL,
    name VARCHAR(400) NOT NULL,
    size BIGINT NOT NULL,
    modified DATETIME NOT NULL,
    state VARCHAR(20) NOT NULL,
    sha256 VARCHAR(64),
    seen_at DATETIME NOT NULL,
    gathered_at DATETIME,
    loaded_at DATETIME,
    due_at DATETIME NOT NULL,
    attempts INTEGER NOT NULL,
    rows_read BIGINT,
    rows_loaded BIGINT,
    rows_known BIGINT,
    rows_rejected BIGINT,
    rows_unmatched BIGINT,
    by_type TEXT,
    error_code VARCHAR(64),
    error VARCHAR(2000), layout VARCHAR(100), left_rounds INTEGER DEFAULT '0' NOT NULL, left_code VARCHAR(64), put_away_at DATETIME, removed_at DATETIME,
    CONSTRAINT pk_response_file PRIMARY KEY (id),
    CONSTRAINT uq_response_file_name_size_modified UNIQUE (name, size, modified)
);
INSERT INTO "response_file" VALUES(1,'Responses_202602022000.csv',13411,'2026-11-30 09:16:45.000000','loaded','7a8984dce5a63d7ae6fc7b109d4473cd1d6868c3c6ebf4460fea6f7649613ba6','2026-11-30 09:16:45.991902','2026-11-30 09:16:46.244032','2026-11-30 09:16:46.627302','2026-11-30 09:16:48.408905',1,96,96,0,0,0,'{"Bounce": 1, "Click": 4, "Open": 14, "Send": 76, "Unsubscription": 1}',NULL,NULL,'default',0,NULL,NULL,NULL);
INSERT INTO "response_file" VALUES(2,'Response-rejects.csv',87,'2026-11-30 09:16:46.658137','loaded','ef634349e8de0929c316c2599aa69687bd8c13bfb637b22142626b7b29efddfa','2026-11-30 09:16:46.693606','2026-11-30 09:16:46.768086','2026-11-30 09:16:47.000221','2026-11-30 09:16:48.806824',0,2,1,0,1,1,'{"Open": 1}','response-file-rows','Of the 2 rows of the response file Response-rejects.csv 1 were refused (wrong-field-count 1); the other 1 are loaded. Lines and reasons are in its reject file, responses/2/rejects.csv. When its layout in the channels file is mended, `bridge responses replay` loads them.','default',0,NULL,NULL,NULL);
INSERT INTO "response_file" VALUES(3,'Response-failed.csv',22,'2026-11-30 09:16:47.041903','failed','4d5881d560d5c0c835976b21d7d853c26b3a028f9ab2d88d6e3f90b647ef806a','2026-11-30 09:16:47.057432','2026-11-30 09:16:47.161265',NULL,'2026-11-30 09:16:49.261887',1,NULL,NULL,NULL,NULL,NULL,NULL,'response-file-layout','The response file Response-failed.csv has not the expected layout: its header has no column MessageType. Compare it with its layout in the channels file (docs/reference/response-files.md); it is kept and can be loaded again.','default',0,NULL,NULL,NULL);
INSERT INTO "response_file" VALUES(4,'Response-gathered.csv',80,'2026-11-30 09:16:47.384166','gathered','38bd4556c0ed7afd0bec373f217fcf13ed50c9d23cda7c3ce0f9dc9293690306','2026-11-30 09:16:47.401846','2026-11-30 09:16:47.445161',NULL,'2026-11-30 09:16:49.445157',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'default',0,NULL,NULL,NULL);
INSERT INTO "response_file" VALUES(5,'Response-tried.csv',80,'2026-11-30 09:16:47.461740','gathered','e8b1979259375a23bfbfdf3d6052653be9eb13b8b3e0699f97245b03f531466b','2026-11-30 09:16:47.477031','2026-11-30 09:16:47.573383',NULL,'2026-11-30 09:16:49.595888',1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'default',0,NULL,NULL,NULL);
INSERT INTO "response_file" VALUES(6,'Response-again.csv',81,'2026-11-30 09:16:47.616517','gathered','6596469def8c5a0d9bb6b84c1fefce56faab2ef85cb6e1bcb036cfcd193a749e','2026-11-30 09:16:47.642019','2026-11-30 09:16:47.763447','2026-11-30 09:16:48.126449','2026-11-30 09:16:50.176822',0,1,1,0,0,1,'{"Bounce": 1}',NULL,NULL,'default',0,NULL,NULL,NULL);
INSERT INTO "response_file" VALUES(7,'Response-seen.csv',44,'2026-11-30 09:16:47.461740','seen',NULL,'2026-11-30 09:16:48.193833',NULL,NULL,'2026-11-30 09:16:48.193833',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'default',0,NULL,NULL,NULL);
INSERT INTO "response_file" VALUES(8,'Response-vanished.csv',44,'2026-11-30 09:16:47.461740','failed',NULL,'2026-11-30 09:16:48.201746',NULL,NULL,'2026-11-30 09:16:48.201746',0,NULL,NULL,NULL,NULL,NULL,NULL,'response-file-vanished','It went away.','default',1,'response-file-vanished',NULL,NULL);
INSERT INTO "response_file" VALUES(9,'Response-removed.csv',79,'2026-11-30 09:16:48.300711','loaded','86db49740f2bf419447076ad04b4827b3efab3063deb3360870ac22da5da0302','2026-11-30 09:16:48.308035','2026-11-30 09:16:48.353404','2026-11-30 09:16:48.597523','2026-11-30 09:16:50.389642',0,1,1,0,0,1,'{"Open": 1}',NULL,NULL,'default',0,NULL,NULL,'2026-11-30 09:16:48.628789');
CREATE TABLE response_staging (
    load_id VARCHAR(36) NOT NULL,
    line BIGINT NOT NULL,
    response_file_id BIGINT NOT NULL,
    event_key BLOB NOT NULL,
    ordinal INTEGER,
    broadcast_key VARCHAR(64) NOT NULL,
    mailing_id VARCHAR(64) NOT NULL,
    email VARCHAR(320) NOT NULL,
    urn VARCHAR(255) NOT NULL,
    communication_key VARCHAR(64) NOT NULL,
    message_type VARCHAR(50) NOT NULL,
    event_time DATETIME NOT NULL,
    delivery_date DATETIME,
    click_url VARCHAR(2000) NOT NULL,
    click_date DATETIME,
    details TEXT NOT NULL, place BIGINT, broadcast_id BIGINT, urn_hash BLOB, communication_key_hash BLOB, event_wall DATETIME, delivery_wall DATETIME, click_wall DATETIME,
    CONSTRAINT pk_response_staging PRIMARY KEY (load_id, line)
);
CREATE TABLE suppression (
    address_hash BLOB NOT NULL,
    list_id BIGINT NOT NULL,
    kind VARCHAR(20) NOT NULL,
    since DATETIME,
    draw INTEGER NOT NULL,
    CONSTRAINT pk_suppression PRIMARY KEY (address_hash, list_id, kind)
);
CREATE TABLE suppression_bounce (
    mailing_id BIGINT NOT NULL,
    address_hash BLOB NOT NULL,
    asked_at DATETIME NOT NULL,
    CONSTRAINT pk_suppression_bounce PRIMARY KEY (mailing_id, address_hash)
);
CREATE TABLE suppression_pattern (
    pattern_hash BLOB NOT NULL,
    pattern VARCHAR(510) NOT NULL,
    draw INTEGER NOT NULL,
    CONSTRAINT pk_suppression_pattern PRIMARY KEY (pattern_hash)
);
CREATE TABLE suppression_source (
    kind VARCHAR(20) NOT NULL,
    newest DATETIME,
    draws INTEGER NOT NULL,
    whole_at DATETIME,
    drawn_at DATETIME,
    entries BIGINT NOT NULL,
    error_code VARCHAR(64),
    failed_at DATETIME,
    CONSTRAINT pk_suppression_source PRIMARY KEY (kind)
);
CREATE TABLE unmatched_response (
    response_id BIGINT NOT NULL,
    response_file_id BIGINT NOT NULL,
    broadcast_key VARCHAR(64) NOT NULL,
    mailing_id VARCHAR(64) NOT NULL,
    communication_key_hash BLOB,
    urn_hash BLOB,
    event_time DATETIME NOT NULL,
    delivery_date DATETIME,
    loaded_at DATETIME NOT NULL,
    looked_at DATETIME,
    broadcast_id BIGINT,
    CONSTRAINT pk_unmatched_response PRIMARY KEY (response_id)
);
INSERT INTO "unmatched_response" VALUES(97,2,'','',X'B2A8BBBB0D226965CB3FD9A44C5883E5',X'CEA3878A334B240469D159FF840B6434','2026-03-01 11:00:00.000000',NULL,'2026-11-30 09:16:46.957400',NULL,NULL);
INSERT INTO "unmatched_response" VALUES(98,6,'','',X'B2A8BBBB0D226965CB3FD9A44C5883E5',X'CEA3878A334B240469D159FF840B6434','2026-03-01 11:00:00.000000',NULL,'2026-11-30 09:16:48.013517',NULL,NULL);
INSERT INTO "unmatched_response" VALUES(99,9,'','',X'B2A8BBBB0D226965CB3FD9A44C5883E5',X'CEA3878A334B240469D159FF840B6434','2026-03-02 11:00:00.000000',NULL,'2026-11-30 09:16:48.467586',NULL,NULL);
CREATE INDEX "ix_BroadcastsDetail_BroadcastId" ON "BroadcastsDetail" ("BroadcastId");
CREATE INDEX "ix_Response_BroadcastId" ON "Response" ("BroadcastId");
CREATE INDEX ix_broadcast_state_due_at ON broadcast (state, due_at);
CREATE INDEX ix_response_file_state_due_at ON response_file (state, due_at);
CREATE INDEX ix_response_staging_response_file_id ON response_staging (response_file_id);
CREATE INDEX ix_suppression_kind_draw ON suppression (kind, draw);
CREATE INDEX ix_suppression_bounce_asked_at ON suppression_bounce (asked_at);
CREATE INDEX ix_history_broadcast_id ON history (broadcast_id);
CREATE INDEX ix_reject_count_broadcast_id ON reject_count (broadcast_id);
CREATE INDEX ix_reject_count_response_file_id ON reject_count (response_file_id);
CREATE INDEX ix_ferg_file_put_at ON ferg_file (put_at);
CREATE INDEX ix_recipient_communication_key_hash ON recipient (communication_key_hash);
CREATE INDEX ix_recipient_urn_hash ON recipient (urn_hash);
CREATE INDEX ix_unmatched_response_loaded_at ON unmatched_response (loaded_at);
CREATE INDEX ix_unmatched_response_looked_at ON unmatched_response (looked_at);
CREATE INDEX ix_report_comparison_due_at ON report_comparison (due_at);
COMMIT;
