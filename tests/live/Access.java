// Gives users their passwords and rights, as kafka-configs.sh and kafka-acls.sh would; one JVM for
// all of it. Arguments: brokers, a file with lines `user NAME PASSWORD` and `acl ARGUMENTS`.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

public class Access {
    static final List<UserScramCredentialAlteration> users = new ArrayList<>();
    static final List<AclBinding> rights = new ArrayList<>();

    public static void main(String[] arguments) throws Exception {
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "user" -> user(words[1], words[2]);
                case "acl" -> right(words);
                default -> throw new IllegalArgumentException(line);
            }
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]))) {
            // A user's password is set for one mechanism in a request.
            for (var one : users) {
                admin.alterUserScramCredentials(List.of(one)).all().get();
            }
            admin.createAcls(rights).all().get();
        }
    }

    static void user(String name, String password) {
        for (ScramMechanism mechanism : new ScramMechanism[] {
                ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512}) {
            var info = new ScramCredentialInfo(mechanism, 4096);
            users.add(new UserScramCredentialUpsertion(name, info, password));
        }
    }

    static void right(String[] words) {
        String principal = null, name = null;
        ResourceType type = null;
        PatternType pattern = PatternType.LITERAL;
        List<AclOperation> operations = new ArrayList<>();
        for (int at = 1; at < words.length; at++) {
            switch (words[at]) {
                case "--add" -> { }
                case "--allow-principal" -> principal = words[++at];
                case "--operation" -> operations.add(operation(words[++at]));
                case "--resource-pattern-type" ->
                    pattern = PatternType.valueOf(words[++at].toUpperCase());
                case "--topic", "--group", "--transactional-id" -> {
                    type = ResourceType.fromString(words[at].substring(2).replace('-', '_'));
                    name = words[++at];
                }
                default -> throw new IllegalArgumentException(words[at]);
            }
        }
        var resource = new ResourcePattern(type, name, pattern);
        for (AclOperation operation : operations) {
            rights.add(new AclBinding(resource, new AccessControlEntry(
                principal, "*", operation, AclPermissionType.ALLOW)));
        }
    }

    /** `DescribeConfigs` is spelled `DESCRIBE_CONFIGS`. */
    static AclOperation operation(String word) {
        return AclOperation.fromString(word.replaceAll("(?<=[a-z])(?=[A-Z])", "_"));
    }
}
