/*
 * A stand-in for pyxis, which no distribution packages: the same options of srun, checked as pyxis
 * checks them, recorded, and as much of a container as a job can tell apart.
 *
 * A container has a root of its own: the folders of a system, and what `also=` names. All else a
 * job has to mount. An image is a file in the folder that `registry=`
 * names (each "/" and "#" of the image's name written as "+"), or a file whose path is given.
 * Its lines `NAME=VALUE` are the image's environment, which wins over the job's unless
 * --container-env names the variable.
 *
 * plugstack.conf: required pyxis.so registry=FOLDER record=FILE root=EMPTY_FOLDER
 * [also=FOLDER:FOLDER]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <slurm/spank.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

SPANK_PLUGIN(pyxis, 1)

enum option { IMAGE, MOUNTS, WORKDIR, NAME, SAVE, ENV, VALUES };

static const char *const value_names[VALUES] = {"image", "mounts", "workdir",
                                                "name",  "save",   "env"};
static char *values[VALUES];

static const char *setting(int ac, char **av, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < ac; i++)
        if (!strncmp(av[i], name, length) && av[i][length] == '=')
            return av[i] + length + 1;
    return NULL;
}

static int take_value(int val, const char *given, int remote)
{
    (void)remote;
    if (!given || !*given) {
        slurm_error("pyxis: --container-%s: argument required", value_names[val]);
        return -1;
    }
    free(values[val]);
    values[val] = strdup(given);
    return 0;
}

static const char *const flag_names[] = {
    "container-mount-home",        "no-container-mount-home", "container-remap-root",
    "no-container-remap-root",     "container-entrypoint",    "no-container-entrypoint",
    "container-writable",          "container-readonly"};
#define FLAGS (sizeof flag_names / sizeof *flag_names)
static bool flags[FLAGS];

static int take_flag(int val, const char *given, int remote)
{
    (void)given, (void)remote;
    flags[val] = true;
    return 0;
}

int slurm_spank_init(spank_t sp, int ac, char **av)
{
    (void)ac, (void)av;
    if (spank_context() == S_CTX_SLURMD || spank_context() == S_CTX_JOB_SCRIPT)
        return 0;
    static char names[VALUES][32];
    for (int i = 0; i < VALUES; i++) {
        snprintf(names[i], sizeof names[i], "container-%s", value_names[i]);
        struct spank_option option = {names[i], "VALUE", "as pyxis has it", 1, i, take_value};
        if (spank_option_register(sp, &option) != ESPANK_SUCCESS)
            return -1;
    }
    for (size_t i = 0; i < FLAGS; i++) {
        struct spank_option option = {(char *)flag_names[i], NULL, "as pyxis has it", 0, (int)i,
                                      take_flag};
        if (spank_option_register(sp, &option) != ESPANK_SUCCESS)
            return -1;
    }
    return 0;
}

static bool image_file(const char *registry, char *file)
{
    struct stat found;
    if (*values[IMAGE] == '/' || *values[IMAGE] == '.') {
        snprintf(file, PATH_MAX, "%s", values[IMAGE]);
    } else {
        snprintf(file, PATH_MAX, "%s/%s", registry ? registry : "", values[IMAGE]);
        for (char *at = file + (registry ? strlen(registry) : 0) + 1; *at; at++)
            if (*at == '/' || *at == '#')
                *at = '+';
    }
    if (!stat(file, &found) && S_ISREG(found.st_mode))
        return true;
    slurm_error("pyxis: failed to import docker image: %s: no such image", values[IMAGE]);
    return false;
}

/* Read before the root changes; the variables are set when a task is made. */
static char *image_variables;

static bool read_image(const char *file)
{
    size_t size = 0;
    FILE *in = fopen(file, "r");
    if (!in)
        return false;
    ssize_t length = getdelim(&image_variables, &size, 0, in);
    fclose(in);
    if (length < 0) {
        free(image_variables);
        image_variables = NULL;
    }
    return true;
}

/* Calls `each` for SRC, DST and FLAGS of every mount; DST defaults to SRC. */
static bool each_mount(bool (*each)(const char *, const char *, const char *, void *), void *extra)
{
    if (!values[MOUNTS])
        return true;
    char *copy = strdup(values[MOUNTS]), *rest = copy, *entry;
    bool good = true;
    while (good && (entry = strsep(&rest, ","))) {
        char *parts = entry;
        const char *source = strsep(&parts, ":");
        const char *target = strsep(&parts, ":");
        const char *how = strsep(&parts, ":");
        if (!*source || parts || (target && !*target)) {
            slurm_error("pyxis: --container-mounts: invalid format: %s", values[MOUNTS]);
            good = false;
            break;
        }
        good = each(source, target ? target : source, how, extra);
    }
    free(copy);
    return good;
}

static bool mount_is_possible(const char *source, const char *target, const char *how, void *extra)
{
    (void)how, (void)extra;
    if (*source != '/' || *target != '/') {
        slurm_error("pyxis: --container-mounts: an absolute path is needed: %s:%s", source, target);
        return false;
    }
    if (!access(source, F_OK))
        return true;
    slurm_error("pyxis: couldn't mount %s: %s", source, strerror(errno));
    return false;
}

static void write_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, ", \"%s\": ", name);
    if (!text) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < ' ')
            fprintf(out, "\\u%04x", *text);
        else
            fputc(*text, out);
    fputc('"', out);
}

static int record(spank_t sp, const char *file)
{
    uint32_t job = 0, step = 0, node = 0;
    char *line = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&line, &length);
    spank_get_item(sp, S_JOB_ID, &job);
    spank_get_item(sp, S_JOB_STEPID, &step);
    spank_get_item(sp, S_JOB_NODEID, &node);
    fprintf(out, "{\"job\": %u, \"step\": %u, \"node\": %u", job, step, node);
    for (int i = 0; i < VALUES; i++)
        write_text(out, value_names[i], values[i]);
    fputs(", \"flags\": [", out);
    const char *between = "";
    for (size_t i = 0; i < FLAGS; i++)
        if (flags[i]) {
            fprintf(out, "%s\"%s\"", between, flag_names[i]);
            between = ", ";
        }
    fputs("]}\n", out);
    fclose(out);
    int log = open(file, O_WRONLY | O_APPEND | O_CREAT, 0666);
    ssize_t written = log < 0 ? -1 : write(log, line, length);
    if (log >= 0)
        close(log);
    free(line);
    return written == (ssize_t)length ? 0 : -1;
}

int slurm_spank_user_init(spank_t sp, int ac, char **av)
{
    char file[PATH_MAX];
    if (!values[IMAGE] && !values[NAME])
        return 0;
    if (values[IMAGE] && !(image_file(setting(ac, av, "registry"), file) && read_image(file)))
        return -1;
    if (!each_mount(mount_is_possible, NULL))
        return -1;
    if (values[WORKDIR] && *values[WORKDIR] != '/') {
        slurm_error("pyxis: --container-workdir: an absolute path is needed: %s", values[WORKDIR]);
        return -1;
    }
    const char *to = setting(ac, av, "record");
    return to ? record(sp, to) : 0;
}

static bool make_folders(const char *path, size_t from)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *at = copy + from + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        if (mkdir(copy, 0755) && errno != EEXIST)
            return false;
        *at = '/';
    }
    return true;
}

static bool bind_at(const char *source, const char *place, size_t root)
{
    struct stat found;
    if (stat(source, &found) || !make_folders(place, root))
        return false;
    if (S_ISDIR(found.st_mode)) {
        if (mkdir(place, 0755) && errno != EEXIST)
            return false;
    } else {
        int file = open(place, O_WRONLY | O_CREAT, 0644);
        if (file >= 0)
            close(file);
    }
    return !mount(source, place, NULL, MS_BIND | MS_REC, NULL);
}

static bool mount_one(const char *source, const char *target, const char *how, void *extra)
{
    const char *root = extra;
    char place[PATH_MAX];
    snprintf(place, sizeof place, "%s%s", root, target);
    if (!bind_at(source, place, strlen(root))) {
        slurm_error("pyxis: couldn't mount %s at %s: %s", source, target, strerror(errno));
        return false;
    }
    bool read_only = how && (!strcmp(how, "ro") || strstr(how, "+ro"));
    return !read_only || !mount(NULL, place, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

static bool show(const char *source, const char *root)
{
    char place[PATH_MAX], link[PATH_MAX] = "";
    snprintf(place, sizeof place, "%s%s", root, source);
    if (access(source, F_OK))
        return true;
    if (readlink(source, link, sizeof link - 1) > 0)
        return !symlink(link, place);
    return bind_at(source, place, strlen(root));
}

/* What an image of this machine would hold, and the folders with the tests' own programs. */
static bool show_machine(const char *root, const char *others)
{
    static const char *const system[] = {"/bin", "/dev", "/etc", "/lib",  "/lib64", "/opt",
                                         "/proc", "/run", "/sbin", "/sys", "/usr",   "/var"};
    bool good = true;
    for (size_t i = 0; good && i < sizeof system / sizeof *system; i++)
        good = show(system[i], root);
    char *copy = strdup(others ? others : ""), *rest = copy, *entry;
    while (good && (entry = strsep(&rest, ":")))
        good = !*entry || show(entry, root);
    free(copy);
    return good;
}

int slurm_spank_task_init_privileged(spank_t sp, int ac, char **av)
{
    (void)sp;
    char temporary[PATH_MAX];
    const char *root = setting(ac, av, "root");
    if (!values[IMAGE])
        return 0;
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("pyxis", root, "tmpfs", 0, "mode=755") || !show_machine(root, setting(ac, av, "also"))) {
        slurm_error("pyxis: couldn't start container: %s", strerror(errno));
        return -1;
    }
    snprintf(temporary, sizeof temporary, "%s/tmp", root);
    mkdir(temporary, 01777);
    chmod(temporary, 01777);
    if (!each_mount(mount_one, (void *)root))
        return -1;
    if (chroot(root) || chdir("/")) {
        slurm_error("pyxis: couldn't enter container: %s", strerror(errno));
        return -1;
    }
    return 0;
}

static bool kept(const char *name)
{
    char *copy = strdup(values[ENV] ? values[ENV] : ""), *rest = copy, *entry;
    bool found = false;
    while (!found && (entry = strsep(&rest, ",")))
        found = !strcmp(entry, name);
    free(copy);
    return found;
}

int slurm_spank_task_init(spank_t sp, int ac, char **av)
{
    (void)ac, (void)av;
    if (!values[IMAGE])
        return 0;
    char *rest = image_variables, *line;
    while (rest && (line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');
        if (!value)
            continue;
        *value++ = 0;
        if (!kept(line))
            spank_setenv(sp, line, value, 1);
    }
    if (values[WORKDIR] && chdir(values[WORKDIR])) {
        slurm_error("pyxis: couldn't chdir to %s: %s", values[WORKDIR], strerror(errno));
        return -1;
    }
    return 0;
}
